package tests

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// wiretap is a RoundTripper that notes what it was given. It sends that on by
// next or, without one, sends nothing and answers by itself: 200 unless told
// otherwise. Then a request may name any host.
type wiretap struct {
	next   http.RoundTripper
	answer func(*http.Request) (*http.Response, error)

	mu   sync.Mutex
	seen []*http.Request
	body []string
}

func (t *wiretap) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if t.next == nil && req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
		if err := req.Body.Close(); err != nil {
			return nil, err
		}
	}
	t.mu.Lock()
	t.seen = append(t.seen, req)
	t.body = append(t.body, string(body))
	t.mu.Unlock()
	if t.next != nil {
		return t.next.RoundTrip(req)
	}
	if t.answer != nil {
		return t.answer(req)
	}
	return &http.Response{
		StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Body: http.NoBody, Request: req,
	}, nil
}

// sent returns the requests so far.
func (t *wiretap) sent() []*http.Request {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]*http.Request(nil), t.seen...)
}

// How long what must come is waited for, and how often it is looked for.
const (
	waitABit = 10 * time.Second
	tick     = 5 * time.Millisecond
)

// insideRoutes numbers the routes of inside.
var insideRoutes atomic.Int64

// inside runs code within a GET of the browser's, behind Wrap, and returns the
// answer.
func (b *browser) inside(run http.HandlerFunc, header ...string) answer {
	b.t.Helper()
	path := fmt.Sprintf("/inside/%d", insideRoutes.Add(1))
	b.site.mux.HandleFunc(path, run)
	return b.get(path, header...)
}

// request makes an outbound one within in.
func request(t testing.TB, in *http.Request, method, url, body string) *http.Request {
	t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(in.Context(), method, url, reader)
	require.NoError(t, err)
	return req
}

// closeNoted is a body that knows whether it was closed.
type closeNoted struct {
	io.Reader
	closed atomic.Bool
}

func (b *closeNoted) Close() error {
	b.closed.Store(true)
	return nil
}

// gridOverTLS is a change of a site's Config: its ECGrid speaks HTTP/2 over TLS.
// The Transport is the one to reach it by.
func gridOverTLS(t *testing.T, api *ecgridtest.API) (change func(*ecgridsession.Config), url string, transport http.RoundTripper) {
	t.Helper()
	server := httptest.NewUnstartedServer(api)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	transport = server.Client().Transport
	return func(cfg *ecgridsession.Config) {
		cfg.Upstream = server.URL
		cfg.BaseTransport = transport
	}, server.URL, transport
}

// eachUpstream runs a property for both kinds of credential with an ECGrid that
// speaks HTTP/1.1 and one that speaks HTTP/2. The browser is signed in; base
// reaches the upstream at url.
func eachUpstream(t *testing.T, property func(t *testing.T, s *site, b *browser, url string, base http.RoundTripper)) {
	t.Helper()
	for kind, signIn := range signInKinds {
		t.Run(kind+", ECGrid over HTTP/1.1", func(t *testing.T) {
			s := newSite(t)
			property(t, s, signIn(s.browser()), s.grid.URL, http.DefaultTransport)
		})
		t.Run(kind+", ECGrid over HTTP/2", func(t *testing.T) {
			api := ecgridtest.NewAPI()
			api.AddUser(demo)
			change, url, base := gridOverTLS(t, api)
			s := newSite(t, change)
			s.grid.API = api // what the property injects and counts
			property(t, s, signIn(s.browser()), url, base)
		})
	}
}
