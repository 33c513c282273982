package ecgrid

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
)

// Contained returns rt with its panics contained: the call fails, and one line is logged. The transport is the app's, and
// most of our calls are made in goroutines that no server guards: a panic there would end the process.
func Contained(rt http.RoundTripper, logger *slog.Logger) http.RoundTripper {
	return &contained{rt, logger}
}

type contained struct {
	rt     http.RoundTripper
	logger *slog.Logger
}

var errPanicked = errors.New("ecgrid: the transport panicked")

// RoundTrip implements [http.RoundTripper].
func (c *contained) RoundTrip(req *http.Request) (resp *http.Response, err error) {
	defer c.recovered(req, func() { resp, err = nil, errPanicked })
	resp, err = c.rt.RoundTrip(req)
	if err == nil && resp != nil && resp.Body != nil {
		resp.Body = &containedBody{resp.Body, c, req}
	}
	return resp, err
}

// recovered is called deferred. The panic's value is the app's own and may hold anything, so it is not logged.
func (c *contained) recovered(req *http.Request, failed func()) {
	if p := recover(); p != nil {
		c.logger.ErrorContext(req.Context(), "ecgridsession: Config.BaseTransport panicked", "path", req.URL.Path)
		failed()
	}
}

// containedBody is the body of an answer, which is the app's as well.
type containedBody struct {
	body io.ReadCloser
	c    *contained
	req  *http.Request
}

func (b *containedBody) Read(p []byte) (n int, err error) {
	defer b.c.recovered(b.req, func() { n, err = 0, errPanicked })
	return b.body.Read(p)
}

func (b *containedBody) Close() (err error) {
	defer b.c.recovered(b.req, func() { err = errPanicked })
	return b.body.Close()
}
