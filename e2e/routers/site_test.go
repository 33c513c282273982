package routers_test

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

const inboxPath = "/v2/parcels/inbox-list"

var demo = ecgridtest.User{ID: 4711, Login: "demo", Password: "correct horse"}

// serve starts a server for the app, which ends with the test.
type serve func(t *testing.T, a *app) (url string, transport http.RoundTripper)

// routers are the ways in which the app is mounted on net/http.
var routers = map[string]serve{
	"ServeMux over HTTP/1.1":    standard(onServeMux, http1),
	"ServeMux over HTTP/2":      standard(onServeMux, http2),
	"chi over HTTP/1.1":         standard(onChi, http1),
	"chi over HTTP/2":           standard(onChi, http2),
	"gorilla/mux over HTTP/1.1": standard(onGorillaMux, http1),
	"gorilla/mux over HTTP/2":   standard(onGorillaMux, http2),
	"echo over HTTP/1.1":        standard(onEcho, http1),
	"echo over HTTP/2":          standard(onEcho, http2),
	"echo v4 over HTTP/1.1":     standard(onEchoV4, http1),
	"echo v4 over HTTP/2":       standard(onEchoV4, http2),
	"gin over HTTP/1.1":         standard(onGin, http1),
	"gin over HTTP/2":           standard(onGin, http2),
}

// onEach asks one thing of every router, fiber among them.
func onEach(t *testing.T, property func(t *testing.T, s *site)) {
	onEachOfNetHTTP(t, property)
	t.Run("fiber over HTTP/1.1", func(t *testing.T) {
		property(t, newSite(t, func(t *testing.T, a *app) (string, http.RoundTripper) { return serveFiber(t, onFiber(a)) }))
	})
}

// onEachOfNetHTTP asks it of those alone whose requests are net/http's own.
func onEachOfNetHTTP(t *testing.T, property func(t *testing.T, s *site)) {
	for name, start := range routers {
		t.Run(name, func(t *testing.T) { property(t, newSite(t, start)) })
	}
}

// The protocols that the server speaks, and that a client of it then does.
const (
	http1 = false
	http2 = true
)

// standard serves a router with the server of net/http.
func standard(mount func(*app) http.Handler, protocol bool) serve {
	return func(t *testing.T, a *app) (string, http.RoundTripper) {
		server := httptest.NewUnstartedServer(mount(a))
		server.EnableHTTP2 = protocol
		server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
		server.StartTLS()
		t.Cleanup(func() {
			server.CloseClientConnections()
			server.Close()
		})
		return server.URL, server.Client().Transport
	}
}

// site is the app on one router, over TLS, with a fake ECGrid behind it.
type site struct {
	*app
	t         *testing.T
	grid      *ecgridtest.Server
	url       string
	transport http.RoundTripper
	olderKey  []byte // the second of the app's, which opens cookies but seals none
}

func newSite(t *testing.T, start serve) *site {
	t.Helper()
	s := &site{t: t, grid: ecgridtest.NewServer(t), olderKey: newKey()}
	s.grid.AddUser(demo)
	s.app = &app{sessions: s.sessionsWith(newKey(), s.olderKey), grid: s.grid.URL, closing: make(chan struct{})}
	s.url, s.transport = start(t, s.app)
	t.Cleanup(func() { close(s.closing) })
	return s
}

func (s *site) sessionsWith(keys ...[]byte) *ecgridsession.Middleware {
	m, err := ecgridsession.New(ecgridsession.Config{
		Upstream: s.grid.URL, Keys: keys, Logger: slog.New(slog.DiscardHandler), AfterLogout: "/",
	})
	require.NoError(s.t, err)
	s.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		require.NoError(s.t, m.Close(ctx))
	})
	return m
}

func newKey() []byte {
	key := make([]byte, 32)
	rand.Read(key)
	return key
}

// browser is a client with a cookie jar that follows no redirects.
type browser struct {
	t    *testing.T
	url  *url.URL
	http *http.Client
}

func (s *site) browser() *browser {
	s.t.Helper()
	return newBrowser(s.t, s.url, s.transport)
}

func newBrowser(t *testing.T, base string, transport http.RoundTripper) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	at, err := url.Parse(base)
	require.NoError(t, err)
	return &browser{t: t, url: at, http: &http.Client{
		Jar: jar, Transport: transport, Timeout: 60 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

var (
	click     = http.Header{"Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}, "Accept": {"text/html"}}
	fetchCall = http.Header{"Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Dest": {"empty"}, "Accept": {"*/*"}}
	password  = url.Values{"login": {demo.Login}, "password": {demo.Password}}
)

// answer is a response that has been read.
type answer struct {
	*http.Response
	body string
}

func (b *browser) get(path string) answer { return b.do(http.MethodGet, path, fetchCall, nil) }

func (b *browser) post(path string, form url.Values) answer {
	return b.do(http.MethodPost, path, click, form)
}

func (b *browser) do(method, path string, header http.Header, form url.Values) answer {
	b.t.Helper()
	got := b.open(method, path, header, form)
	defer got.Body.Close()
	body, err := io.ReadAll(got.Body)
	require.NoError(b.t, err)
	return answer{got, string(body)}
}

// open leaves the body to be read by the caller.
func (b *browser) open(method, path string, header http.Header, form url.Values) *http.Response {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.url.String()+path, strings.NewReader(form.Encode()))
	require.NoError(b.t, err)
	r.Header = header.Clone()
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	got, err := b.http.Do(r)
	require.NoError(b.t, err)
	return got
}

func (b *browser) signIn() *browser {
	b.t.Helper()
	got := b.post("/login", password)
	require.Equal(b.t, http.StatusSeeOther, got.StatusCode, got.body)
	require.Len(b.t, b.cookies(), 1)
	return b
}

func (b *browser) cookies() []*http.Cookie { return b.http.Jar.Cookies(b.url) }

// thief is another browser with a copy of the cookies.
func (b *browser) thief() *browser {
	b.t.Helper()
	copied := newBrowser(b.t, b.url.String(), b.http.Transport)
	for _, c := range b.cookies() {
		copied.http.Jar.SetCookies(b.url, []*http.Cookie{{Name: c.Name, Value: c.Value, Path: "/", Secure: true}})
	}
	require.Equal(b.t, b.cookies(), copied.cookies())
	return copied
}
