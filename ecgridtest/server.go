package ecgridtest

import (
	"net/http/httptest"
	"testing"
)

// A Server is an [API] that listens on a loopback address. Its methods are
// those of the API; there is nothing to start and nothing to close.
type Server struct {
	*API

	// URL is the base URL, such as "http://127.0.0.1:40123", without a slash
	// at its end: what Config.Upstream of the library takes.
	URL string
}

// NewServer starts a fake ECGrid without users over plain HTTP on a free port
// of the loopback interface. It is closed when the test and its subtests have
// ended; calls that still hang or wait at that moment are cut.
func NewServer(t testing.TB) *Server {
	t.Helper()
	closed := make(chan struct{})
	api := NewAPI()
	api.closed = closed
	server := httptest.NewServer(api)
	t.Cleanup(func() {
		// In this order: Close waits for the calls under way, so those are cut
		// first; and one that arrives after the cut must not begin to hang.
		close(closed)
		server.CloseClientConnections()
		server.Close()
	})
	return &Server{API: api, URL: server.URL}
}
