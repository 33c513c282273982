//go:build linux

package browser_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// front is where all names lead: to the app, through a proxy, and to the pages of
// other sites. It keeps what each request said of itself.
type front struct {
	t       *testing.T
	appHost string // with its port; set once it is known
	app     *httputil.ReverseProxy
	port    string

	mu       sync.Mutex
	requests []*request
	pages    map[string]http.HandlerFunc // of other sites, by host, port and path
}

// request is one that came, to the app or to another site.
type request struct {
	method, host, path string
	header             http.Header
	status             int           // 0: no answer yet
	setCookie          []string      // as the app sent it
	done               chan struct{} // closed when the answer has ended
}

func (r *request) String() string {
	return fmt.Sprintf("%d %s %s%s site=%s mode=%s dest=%s user=%s purpose=%s", r.status, r.method, r.host, r.path,
		r.header.Get("Sec-Fetch-Site"), r.header.Get("Sec-Fetch-Mode"), r.header.Get("Sec-Fetch-Dest"),
		r.header.Get("Sec-Fetch-User"), r.header.Get("Sec-Purpose"))
}

// newFront serves the app at appName, over TLS or not.
func newFront(t *testing.T, appName string, app *url.URL, overTLS bool) *front {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: identity().roots, ServerName: "app.example.test"}}
	t.Cleanup(transport.CloseIdleConnections)
	f := &front{t: t, pages: map[string]http.HandlerFunc{}}
	f.app = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(app)
			r.Out.Host = r.In.Host
		},
		Transport: transport,
		// A browser that closes a stream is nothing to tell of.
		ErrorLog:     log.New(io.Discard, "", 0),
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	f.port = f.listen(overTLS)
	f.appHost = net.JoinHostPort(appName, f.port)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("what was asked for:\n%s", f)
		}
	})
	return f
}

// listen serves all names on one more port.
func (f *front) listen(overTLS bool) (port string) {
	f.t.Helper()
	server := httptest.NewUnstartedServer(f)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // connections that the browser opens in advance and drops
	if overTLS {
		server.EnableHTTP2 = true
		server.TLS = &tls.Config{Certificates: []tls.Certificate{identity().pair}}
		server.StartTLS()
	} else {
		server.Start()
	}
	f.t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	require.NoError(f.t, err)
	return port
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	seen := &request{method: r.Method, host: r.Host, path: r.URL.Path, header: r.Header.Clone(), done: make(chan struct{})}
	f.mu.Lock()
	f.requests = append(f.requests, seen)
	page := f.pages[r.Host+r.URL.Path]
	f.mu.Unlock()
	defer close(seen.done)
	recorder := &statusRecorder{ResponseWriter: w, front: f, seen: seen}
	switch {
	case r.Host == f.appHost:
		f.app.ServeHTTP(recorder, r)
	case page != nil:
		page(recorder, r)
	default:
		http.NotFound(recorder, r)
	}
}

type statusRecorder struct {
	http.ResponseWriter
	front *front
	seen  *request
}

func (s *statusRecorder) Unwrap() http.ResponseWriter { return s.ResponseWriter }

func (s *statusRecorder) Write(b []byte) (int, error) {
	s.front.mu.Lock()
	first := s.seen.status == 0
	s.front.mu.Unlock()
	if first {
		s.WriteHeader(http.StatusOK)
	}
	return s.ResponseWriter.Write(b)
}

func (s *statusRecorder) WriteHeader(status int) {
	s.front.mu.Lock()
	s.seen.status = status
	s.seen.setCookie = slices.Clone(s.Header()["Set-Cookie"])
	s.front.mu.Unlock()
	s.ResponseWriter.WriteHeader(status)
}

// to returns the requests for a path of the app so far.
func (f *front) to(path string) []*request {
	f.mu.Lock()
	defer f.mu.Unlock()
	var found []*request
	for _, r := range f.requests {
		if r.host == f.appHost && r.path == path {
			found = append(found, r)
		}
	}
	return found
}

// next waits for the first request for a path of the app after those that were
// there before, and for the end of its answer.
func (f *front) next(path string, before []*request) *request {
	f.t.Helper()
	require.Eventually(f.t, func() bool { return len(f.to(path)) > len(before) }, patience, 5*time.Millisecond, "no request for %s", path)
	r := f.to(path)[len(before)]
	select {
	case <-r.done:
	case <-time.After(patience):
		require.FailNow(f.t, "a request is not answered", path)
	}
	return r
}

// publish puts a page on another site: at the address that it returns.
func (f *front) publish(origin, path string, page http.HandlerFunc) string {
	f.t.Helper()
	u, err := url.Parse(origin)
	require.NoError(f.t, err)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pages[u.Host+path] = page
	return origin + path
}

// html is a page of some body.
func html(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, "<!doctype html><title>Another site</title><body>%s</body>", body)
	}
}

func (f *front) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all strings.Builder
	for _, r := range f.requests {
		fmt.Fprintln(&all, r)
	}
	return all.String()
}
