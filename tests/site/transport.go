package site

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
)

// HandlerTransport calls a handler as if it were a server, without a network, so
// that it can be part of a synctest bubble.
type HandlerTransport struct{ Handler http.Handler }

// RoundTrip implements [http.RoundTripper].
func (p HandlerTransport) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	defer func() {
		switch cut := recover(); {
		case cut == nil:
		case cut == any(http.ErrAbortHandler):
			resp, err = nil, errors.Join(io.ErrUnexpectedEOF, r.Context().Err())
		default:
			panic(cut)
		}
	}()
	served := r.Clone(r.Context())
	if served.Body == nil {
		served.Body = http.NoBody // as a server has it
	}
	w := httptest.NewRecorder()
	p.Handler.ServeHTTP(w, served)
	resp = w.Result()
	resp.Request = r
	return resp, nil
}

// RoundTripFunc is a RoundTripper made of a function.
type RoundTripFunc func(*http.Request) (*http.Response, error)

// RoundTrip implements [http.RoundTripper].
func (f RoundTripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// RecordingTransport is a RoundTripper that keeps the requests that it was
// given. It sends them by Next. Without Next it sends nothing and answers by
// itself, with 200 unless Answer says otherwise, so a request may name any host.
type RecordingTransport struct {
	Next   http.RoundTripper
	Answer func(*http.Request) (*http.Response, error)

	mu     sync.Mutex
	sent   []*http.Request
	Bodies []string // of the requests that Next did not send
}

// RoundTrip implements [http.RoundTripper].
func (t *RecordingTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if t.Next == nil && req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
		if err := req.Body.Close(); err != nil {
			return nil, err
		}
	}
	t.mu.Lock()
	t.sent = append(t.sent, req)
	t.Bodies = append(t.Bodies, string(body))
	t.mu.Unlock()
	if t.Next != nil {
		return t.Next.RoundTrip(req)
	}
	if t.Answer != nil {
		return t.Answer(req)
	}
	return &http.Response{
		StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Body: http.NoBody, Request: req,
	}, nil
}

// Sent returns the requests up to now.
func (t *RecordingTransport) Sent() []*http.Request {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]*http.Request(nil), t.sent...)
}

// ClosingBody is a body that knows whether it was closed.
type ClosingBody struct {
	io.Reader
	Closed atomic.Bool
}

// Close implements [io.Closer].
func (b *ClosingBody) Close() error {
	b.Closed.Store(true)
	return nil
}

// Gzipped returns text compressed.
func Gzipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := io.WriteString(w, text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}

// UpstreamAt is a Middleware for an upstream that is never dialled.
func UpstreamAt(t *testing.T, upstream string) *ecgridsession.Middleware {
	t.Helper()
	return NewMiddleware(t, ecgridsession.Config{Upstream: upstream, Keys: [][]byte{NewKey(t)}})
}
