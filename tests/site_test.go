package tests

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// demo is the user that every site knows.
var demo = ecgridtest.User{ID: 4711, Login: "demo", Password: "canary-password-qX7", APIKey: "canary-api-key-zW3-0123456789"}

// site is an app behind the middleware, over TLS, with a fake ECGrid behind it.
//
//	/        a page that needs no session and names the user
//	/private a page behind Require
//	/inbox   calls ECGrid through the middleware's client
//	/login, /logout, /session: the handlers of the library
type site struct {
	t      *testing.T
	grid   *ecgridtest.Server
	m      *ecgridsession.Middleware
	app    *httptest.Server
	mux    *http.ServeMux // further routes, behind Wrap
	key    []byte
	events *eventLog
	logs   *logBuffer // everything that was logged, at every level
}

// newSite starts a site; each change is applied to the Config before New.
func newSite(t *testing.T, changes ...func(*ecgridsession.Config)) *site {
	t.Helper()
	s := &site{t: t, grid: ecgridtest.NewServer(t), key: randomKey(t), events: &eventLog{}, logs: &logBuffer{}, mux: http.NewServeMux()}
	s.grid.AddUser(demo)
	cfg := ecgridsession.Config{
		Upstream: s.grid.URL,
		Keys:     [][]byte{s.key},
		Logger:   slog.New(slog.NewTextHandler(s.logs, &slog.HandlerOptions{Level: slog.LevelDebug - 4})),
		OnEvent:  s.events.add,
	}
	for _, change := range changes {
		change(&cfg)
	}
	s.m = newMiddleware(t, cfg)
	s.routes()
	s.app = serve(t, s.m.Wrap(s.mux))
	return s
}

// newMiddleware builds a Middleware whose background work ends with the test.
func newMiddleware(t *testing.T, cfg ecgridsession.Config) *ecgridsession.Middleware {
	t.Helper()
	m, err := ecgridsession.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		_ = m.Close(ctx) // what is left has an unreachable upstream: the test's own doing
	})
	return m
}

func (s *site) routes() {
	s.mux.Handle("/login", s.m.LoginHandler())
	s.mux.Handle("/logout", s.m.LogoutHandler())
	s.mux.Handle("/session", s.m.SessionHandler())
	s.mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		if session, ok := s.m.Session(r.Context()); ok {
			io.WriteString(w, "user "+session.Login)
			return
		}
		io.WriteString(w, "anonymous")
	})
	s.mux.Handle("/private", s.m.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "private")
	})))
	s.mux.Handle("/inbox", s.m.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req, _ := http.NewRequestWithContext(r.Context(), http.MethodPost, s.grid.URL+"/v2/parcels/inbox-list", strings.NewReader("{}"))
		resp, err := s.m.Client().Do(req)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		w.WriteHeader(resp.StatusCode)
		io.Copy(w, resp.Body)
	})))
}

// serve starts h over TLS with HTTP/2 on loopback.
func serve(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.EnableHTTP2 = true
	// A test may make the server complain; its words are not of interest.
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// browser is an HTTP client with a cookie jar that does not follow redirects.
// Like a script or curl it sends no Fetch Metadata unless told to.
type browser struct {
	t    *testing.T
	site *site
	http *http.Client
	open func(*site) *browser // another one that speaks the same version of HTTP
}

// browser returns a new one that speaks HTTP/2.
func (s *site) browser() *browser {
	b := s.browserOver(s.app.Client().Transport)
	b.open = (*site).browser
	return b
}

// http1 returns a new one that speaks HTTP/1.1.
func (s *site) http1() *browser {
	transport := s.app.Client().Transport.(*http.Transport).Clone()
	transport.ForceAttemptHTTP2 = false
	transport.TLSClientConfig.NextProtos = []string{"http/1.1"}
	s.t.Cleanup(transport.CloseIdleConnections)
	b := s.browserOver(transport)
	b.open = (*site).http1
	return b
}

func (s *site) browserOver(transport http.RoundTripper) *browser {
	jar, err := cookiejar.New(nil)
	require.NoError(s.t, err)
	return &browser{t: s.t, site: s, http: &http.Client{
		Transport:     transport,
		Jar:           jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// bare returns a browser over the same connections that has no jar: it sends
// the cookies that a test names and no others.
func (b *browser) bare() *browser {
	return &browser{t: b.t, site: b.site, open: b.open, http: &http.Client{Transport: b.http.Transport, CheckRedirect: b.http.CheckRedirect}}
}

// answer is a response that has been read.
type answer struct {
	*http.Response
	body string
}

// do sends a request to a path of the site; header is a list of names and
// values.
func (b *browser) do(method, path string, body io.Reader, header ...string) answer {
	b.t.Helper()
	got, err := b.try(context.Background(), method, path, body, header...)
	require.NoError(b.t, err)
	return got
}

// try is do for use in goroutines, and where the request may fail.
func (b *browser) try(ctx context.Context, method, path string, body io.Reader, header ...string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, b.site.app.URL+path, body)
	if err != nil {
		return answer{}, err
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := b.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return answer{resp, string(text)}, err
}

func (b *browser) get(path string, header ...string) answer {
	b.t.Helper()
	return b.do(http.MethodGet, path, nil, header...)
}

func (b *browser) post(path string, form url.Values, header ...string) answer {
	b.t.Helper()
	header = append(header, "Content-Type", "application/x-www-form-urlencoded")
	return b.do(http.MethodPost, path, strings.NewReader(form.Encode()), header...)
}

// signIn signs in as demo by password.
func (b *browser) signIn() *browser {
	b.t.Helper()
	got := b.post("/login", url.Values{"login": {demo.Login}, "password": {demo.Password}})
	require.Equal(b.t, http.StatusSeeOther, got.StatusCode, got.body)
	return b
}

// signInByKey signs in as demo by API key.
func (b *browser) signInByKey() *browser {
	b.t.Helper()
	got := b.post("/login", url.Values{"api_key": {demo.APIKey}})
	require.Equal(b.t, http.StatusSeeOther, got.StatusCode, got.body)
	return b
}

// signedIn asks the site whether it knows the browser's user.
func (b *browser) signedIn() bool {
	b.t.Helper()
	return b.get("/session").StatusCode == http.StatusOK
}

// cookie is the session cookie as the jar holds it, or nil.
func (b *browser) cookie() *http.Cookie {
	u, err := url.Parse(b.site.app.URL)
	require.NoError(b.t, err)
	for _, c := range b.http.Jar.Cookies(u) {
		if c.Name == "__Host-ecgrid" {
			return c
		}
	}
	return nil
}

// withCookie returns another browser that holds a copy of the cookie: a thief's,
// or the same user's on a replica.
func (b *browser) withCookie(s *site) *browser {
	b.t.Helper()
	copied := b.open(s)
	u, err := url.Parse(s.app.URL)
	require.NoError(b.t, err)
	c := b.cookie()
	require.NotNil(b.t, c, "there is no cookie to copy")
	copied.http.Jar.SetCookies(u, []*http.Cookie{{Name: c.Name, Value: c.Value, Path: "/", Secure: true}})
	return copied
}

// sessionCookies are the Set-Cookie lines of the session in an answer.
func (a answer) sessionCookies() []string {
	var lines []string
	for _, line := range a.Header["Set-Cookie"] {
		if strings.HasPrefix(line, "__Host-ecgrid=") {
			lines = append(lines, line)
		}
	}
	return lines
}

// deletion is the one line that deletes the session cookie, to the letter.
const deletion = "__Host-ecgrid=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax"

// protocols are the browsers of both versions of HTTP.
var protocols = map[string]func(*site) *browser{"HTTP/1.1": (*site).http1, "HTTP/2": (*site).browser}

// signInKinds sign a browser in by either kind of credential.
var signInKinds = map[string]func(*browser) *browser{"bearer": (*browser).signIn, "API key": (*browser).signInByKey}

// eachWay runs a property for both kinds of credential over both versions of
// HTTP, with a browser that is signed in.
func eachWay(t *testing.T, property func(t *testing.T, s *site, b *browser), changes ...func(*ecgridsession.Config)) {
	t.Helper()
	for protocol, open := range protocols {
		for kind, signIn := range signInKinds {
			t.Run(kind+" over "+protocol, func(t *testing.T) {
				s := newSite(t, changes...)
				property(t, s, signIn(open(s)))
			})
		}
	}
}

// Headers as browsers send them.
var (
	click = []string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-User", "?1",
		"Accept", "text/html,application/xhtml+xml"}
	fetchCall = []string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Accept", "*/*"}
	crossSite = []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Accept", "text/html"}
)

func randomKey(t testing.TB) []byte {
	t.Helper()
	key := make([]byte, 32)
	_, err := rand.Read(key)
	require.NoError(t, err)
	return key
}

// eventLog collects events.
type eventLog struct {
	mu     sync.Mutex
	events []ecgridsession.Event
}

func (l *eventLog) add(_ context.Context, e ecgridsession.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
}

// of returns the events of a kind so far.
func (l *eventLog) of(kind ecgridsession.EventKind) []ecgridsession.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []ecgridsession.Event
	for _, e := range l.events {
		if e.Kind == kind {
			found = append(found, e)
		}
	}
	return found
}

// logBuffer is a log that can be read while it is written.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
