package site

import (
	"bytes"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"
)

// Serve starts h over TLS with HTTP/2 on loopback.
func Serve(t testing.TB, h http.Handler) *httptest.Server { return serve(t, h, ErrorLog(t)) }

// ServePanicking is Serve for a handler that is expected to panic.
func ServePanicking(t testing.TB, h http.Handler) *httptest.Server {
	return serve(t, h, log.New(io.Discard, "", 0))
}

func serve(t testing.TB, h http.Handler, errors *log.Logger) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.EnableHTTP2 = true
	server.Config.ErrorLog = errors
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// ErrorLog is the ErrorLog of a server whose handlers must not panic, nor read
// a body that another goroutine reads. A test may make the server complain of
// anything else.
func ErrorLog(t testing.TB) *log.Logger { return log.New(panicWatch{t}, "", 0) }

type panicWatch struct{ t testing.TB }

// Write implements [io.Writer].
func (p panicWatch) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte("panic serving")) || bytes.Contains(line, []byte("invalid concurrent Body.Read")) {
		p.t.Errorf("the server logged: %s", line)
	}
	return len(line), nil
}
