package gateway_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// patience bounds everything that should happen soon on a busy machine.
const patience = 20 * time.Second

var demo = ecgridtest.User{ID: 4711, Login: "demo", Password: "canary-password-qX7", APIKey: "canary-api-key-zW3-0123456789"}

const cookieName = "__Host-ecgrid"

// site is a gateway over TLS, with an upstream behind it that is a fake ECGrid
// and more routes under /v2/, which want a credential that ECGrid takes.
//
//	/v2/    what calls of ECGrid pass through
//	/live/  the same for streams and WebSockets, which end with their session
type site struct {
	t    *testing.T
	m    *ecgridsession.Middleware
	app  *httptest.Server
	grid *ecgridtest.API
	more *http.ServeMux // the upstream's further routes

	mu      sync.Mutex
	arrived []http.Header // of each request at the upstream that the gateway passed on
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, grid: ecgridtest.NewAPI(), more: http.NewServeMux()}
	s.grid.AddUser(demo)
	upstream := httptest.NewServer(http.HandlerFunc(s.upstream))
	t.Cleanup(func() {
		upstream.CloseClientConnections() // WebSockets are open for good
		upstream.Close()
	})

	key := make([]byte, 32)
	rand.Read(key)
	m, err := ecgridsession.New(ecgridsession.Config{
		Upstream: upstream.URL, Keys: [][]byte{key}, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	s.m = m
	s.app = httptest.NewUnstartedServer(s.gateway(upstream.URL))
	s.app.EnableHTTP2 = true
	s.app.Config.ErrorLog = log.New(io.Discard, "", 0) // a stream that is cut off aborts its handler
	s.app.StartTLS()
	t.Cleanup(func() {
		s.app.CloseClientConnections()
		s.app.Close()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, m.Close(ctx))
	})
	return s
}

func (s *site) gateway(upstream string) http.Handler {
	target := mustURL(s.t, upstream)
	proxy := &httputil.ReverseProxy{
		Rewrite: func(pr *httputil.ProxyRequest) {
			pr.SetURL(target)
			pr.Out.Header.Del("Authorization")
			pr.Out.Header.Del("X-API-Key")
			pr.Out.Trailer = pr.In.Trailer           // ReverseProxy's own copy never gets the values
			pr.Out.Header.Set("X-By-Gateway", "yes") // by which the test tells calls from the library's own
		},
		Transport: s.m.Transport(nil),
		ErrorLog:  log.New(io.Discard, "", 0),
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			switch {
			case errors.Is(err, ecgridsession.ErrNoSession), errors.Is(err, ecgridsession.ErrSessionEnded):
				w.WriteHeader(http.StatusUnauthorized)
			default:
				w.WriteHeader(http.StatusBadGateway)
			}
		},
	}
	mux := http.NewServeMux()
	mux.Handle("/login", s.m.LoginHandler())
	mux.Handle("/logout", s.m.LogoutHandler())
	mux.Handle("/session", s.m.SessionHandler())
	gate := http.NewCrossOriginProtection()
	mux.Handle("/v2/", gate.Handler(s.m.Require(proxy)))
	mux.Handle("/live/", gate.Handler(s.m.Require(http.StripPrefix("/live", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := s.m.EndWithSession(r.Context())
		defer cancel()
		proxy.ServeHTTP(w, r.WithContext(ctx))
	})))))
	return s.m.Wrap(mux)
}

// upstream notes what the gateway passes on.
func (s *site) upstream(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-By-Gateway") != "" {
		s.mu.Lock()
		s.arrived = append(s.arrived, r.Header.Clone())
		s.mu.Unlock()
	}
	if _, pattern := s.more.Handler(r); pattern != "" {
		s.more.ServeHTTP(w, r)
		return
	}
	s.grid.ServeHTTP(w, r)
}

// route adds one to the upstream, for requests whose credential ECGrid takes;
// others get ECGrid's own refusal.
func (s *site) route(path string, h http.HandlerFunc) {
	s.more.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		whose := httptest.NewRequestWithContext(r.Context(), http.MethodPost, "/v2/auth/session", nil)
		for _, name := range []string{"Authorization", "X-Api-Key"} {
			whose.Header[name] = r.Header[name]
		}
		verdict := httptest.NewRecorder()
		s.grid.ServeHTTP(verdict, whose)
		if verdict.Code != http.StatusOK {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(verdict.Code)
			w.Write(verdict.Body.Bytes())
			return
		}
		h(w, r)
	})
}

// passedOn are the headers of what the gateway has passed on so far.
func (s *site) passedOn() []http.Header {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]http.Header(nil), s.arrived...)
}

// credentialsOf are the credential headers of a request.
func credentialsOf(h http.Header) []string {
	return append(append([]string(nil), h["Authorization"]...), h["X-Api-Key"]...)
}

// browser is an HTTP client with a cookie jar that does not follow redirects.
type browser struct {
	t    *testing.T
	site *site
	http *http.Client
}

func (s *site) browser(http2 bool) *browser {
	s.t.Helper()
	transport := s.app.Client().Transport.(*http.Transport).Clone()
	transport.Protocols = new(http.Protocols)
	transport.Protocols.SetHTTP1(!http2)
	transport.Protocols.SetHTTP2(http2)
	transport.TLSClientConfig.NextProtos = nil // the protocols' own
	s.t.Cleanup(transport.CloseIdleConnections)
	jar, err := cookiejar.New(nil)
	require.NoError(s.t, err)
	return &browser{t: s.t, site: s, http: &http.Client{
		Transport:     transport,
		Jar:           jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// try sends a request; header is a list of names and values.
func (b *browser) try(ctx context.Context, method, path string, body io.Reader, header ...string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, b.site.app.URL+path, body)
	if err != nil {
		return nil, err
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	return b.http.Do(req)
}

// answer is a response that has been read.
type answer struct {
	*http.Response
	body string
}

func (b *browser) do(method, path, body string, header ...string) answer {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	resp, err := b.try(ctx, method, path, strings.NewReader(body), header...)
	require.NoError(b.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(b.t, err)
	return answer{resp, string(text)}
}

func (b *browser) get(path string, header ...string) answer {
	b.t.Helper()
	return b.do(http.MethodGet, path, "", header...)
}

var (
	byPassword = url.Values{"login": {demo.Login}, "password": {demo.Password}}
	byKey      = url.Values{"api_key": {demo.APIKey}}
)

func (b *browser) signIn(form url.Values) *browser {
	b.t.Helper()
	got := b.do(http.MethodPost, "/login", form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	require.Equal(b.t, http.StatusSeeOther, got.StatusCode, got.body)
	return b
}

func (b *browser) signOut() {
	b.t.Helper()
	require.Equal(b.t, http.StatusSeeOther, b.do(http.MethodPost, "/logout", "").StatusCode)
}

func (b *browser) signedIn() bool {
	b.t.Helper()
	return b.get("/session").StatusCode == http.StatusOK
}

// addCookie puts one of the app's own cookies into the jar.
func (b *browser) addCookie(name, value string) {
	b.http.Jar.SetCookies(mustURL(b.t, b.site.app.URL), []*http.Cookie{{Name: name, Value: value, Path: "/", Secure: true}})
}

// cookie is the session cookie as the jar holds it.
func (b *browser) cookie() *http.Cookie {
	b.t.Helper()
	for _, c := range b.http.Jar.Cookies(mustURL(b.t, b.site.app.URL)) {
		if c.Name == cookieName {
			return c
		}
	}
	require.FailNow(b.t, "there is no session cookie")
	return nil
}

func mustURL(t *testing.T, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	require.NoError(t, err)
	return u
}

// eachWay runs a property for both kinds of credential over both versions of
// HTTP, with a browser that is signed in.
func eachWay(t *testing.T, property func(t *testing.T, s *site, b *browser)) {
	t.Helper()
	for protocol, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		for kind, form := range map[string]url.Values{"bearer": byPassword, "API key": byKey} {
			t.Run(kind+" over "+protocol, func(t *testing.T) {
				s := newSite(t)
				b := s.browser(http2).signIn(form)
				require.Equal(t, http2, b.get("/session").ProtoMajor == 2)
				property(t, s, b)
				for _, passed := range s.passedOn() {
					assert.Len(t, credentialsOf(passed), 1, "one credential, whatever the test is about")
					assert.NotContains(t, strings.Join(passed["Cookie"], "; "), cookieName, "and no cookie of ours")
				}
			})
		}
	}
}
