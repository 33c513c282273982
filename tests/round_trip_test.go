package tests

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
)

// handlerTransport calls a handler as if it were a server, without a network, so
// that it can be part of a synctest bubble.
type handlerTransport struct{ handler http.Handler }

// RoundTrip implements [http.RoundTripper].
func (p handlerTransport) RoundTrip(r *http.Request) (resp *http.Response, err error) {
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
	p.handler.ServeHTTP(w, served)
	resp = w.Result()
	resp.Request = r
	return resp, nil
}

// roundTripFunc is a RoundTripper made of a function.
type roundTripFunc func(*http.Request) (*http.Response, error)

// RoundTrip implements [http.RoundTripper].
func (f roundTripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
