//go:build unix

package nginx_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
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

var demo = ecgridtest.User{ID: 4711, Login: "demo", Password: "canary-password-qX7", APIKey: "canary-api-key-zW3-0123456789"}

const (
	appURL     = "https://" + appHost
	cookieName = "__Host-ecgrid"
	logoutPath = "/v2/auth/logout"
)

// site is an app behind an nginx, with a fake ECGrid behind it.
//
//	/         names the user
//	/inbox    behind Require, calls ECGrid
//	/login, /logout, /session: the handlers of the library
type site struct {
	t     *testing.T
	grid  *ecgridtest.Server
	m     *ecgridsession.Middleware
	mux   *http.ServeMux // further routes, behind Wrap
	proxy *proxy
}

// newSite starts one whose nginx has these locations.
func newSite(t *testing.T, locations string, changes ...func(*ecgridsession.Config)) *site {
	t.Helper()
	s := &site{t: t, grid: ecgridtest.NewServer(t), mux: http.NewServeMux()}
	s.grid.AddUser(demo)
	key := make([]byte, 32)
	rand.Read(key)
	cfg := ecgridsession.Config{Upstream: s.grid.URL, Keys: [][]byte{key}, Logger: slog.New(slog.DiscardHandler)}
	for _, change := range changes {
		change(&cfg)
	}
	m, err := ecgridsession.New(cfg)
	require.NoError(t, err)
	s.m = m
	s.routes()
	app := httptest.NewServer(m.Wrap(s.mux))
	t.Cleanup(func() {
		app.CloseClientConnections()
		app.Close()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, m.Close(ctx))
	})
	s.proxy = newProxy(t, app.URL, locations)
	return s
}

func (s *site) routes() {
	s.mux.Handle("/login", s.m.LoginHandler())
	s.mux.Handle("/logout", s.m.LogoutHandler())
	s.mux.Handle("/session", s.m.SessionHandler())
	s.mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		session, _ := s.m.Session(r.Context())
		fmt.Fprintf(w, "user %q", session.Login)
	})
	s.mux.Handle("/inbox", s.m.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call, err := http.NewRequestWithContext(r.Context(), http.MethodPost, s.grid.URL+"/v2/parcels/inbox-list", strings.NewReader("{}"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		inbox, err := s.m.Client().Do(call)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer inbox.Body.Close()
		w.WriteHeader(inbox.StatusCode)
		io.Copy(w, inbox.Body)
	})))
}

// browser is an HTTP client with a cookie jar that does not follow redirects. It
// sends no Fetch Metadata and no Origin unless it is told to.
type browser struct {
	t    *testing.T
	at   string // the app's origin
	http *http.Client
}

// browser returns a new one, which speaks HTTP/2 or HTTP/1.1 with nginx.
func (s *site) browser(http2 bool) *browser {
	s.t.Helper()
	transport := &http.Transport{
		// As DNS would: the app's name leads to nginx, whatever the port.
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, s.proxy.addr)
		},
		TLSClientConfig: &tls.Config{RootCAs: s.proxy.roots},
		Protocols:       new(http.Protocols),
	}
	transport.Protocols.SetHTTP1(!http2)
	transport.Protocols.SetHTTP2(http2)
	s.t.Cleanup(transport.CloseIdleConnections)
	jar, err := cookiejar.New(nil)
	require.NoError(s.t, err)
	return &browser{t: s.t, at: appURL, http: &http.Client{
		Transport:     transport,
		Jar:           jar,
		Timeout:       patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// thief returns another browser with a copy of b's cookies.
func (s *site) thief(b *browser) *browser {
	s.t.Helper()
	copied := s.browser(true)
	at := mustURL(s.t, appURL)
	require.NotEmpty(s.t, b.http.Jar.Cookies(at))
	for _, c := range b.http.Jar.Cookies(at) {
		copied.http.Jar.SetCookies(at, []*http.Cookie{{Name: c.Name, Value: c.Value, Path: "/", Secure: true}})
	}
	return copied
}

func mustURL(t *testing.T, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	require.NoError(t, err)
	return u
}

// answer is a response that has been read.
type answer struct {
	*http.Response
	body string
}

// do sends a request; header is a list of names and values.
func (b *browser) do(method, path string, body io.Reader, header ...string) answer {
	b.t.Helper()
	resp, err := b.try(b.t.Context(), method, path, body, header...)
	require.NoError(b.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(b.t, err)
	return answer{resp, string(text)}
}

// try is do for answers that are read while they are written, and for requests
// that may fail.
func (b *browser) try(ctx context.Context, method, path string, body io.Reader, header ...string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, b.at+path, body)
	if err != nil {
		return nil, err
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	return b.http.Do(req)
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

var (
	byPassword = url.Values{"login": {demo.Login}, "password": {demo.Password}}
	byKey      = url.Values{"api_key": {demo.APIKey}}
)

func (b *browser) signIn(form url.Values) *browser {
	b.t.Helper()
	got := b.post("/login", form)
	require.Equal(b.t, http.StatusSeeOther, got.StatusCode, got.body)
	return b
}

func (b *browser) signedIn() bool {
	b.t.Helper()
	return b.get("/session").StatusCode == http.StatusOK
}

// sessionCookie is the value of the session cookie in the jar, or "".
func (b *browser) sessionCookie() string {
	for _, c := range b.http.Jar.Cookies(mustURL(b.t, b.at)) {
		if c.Name == cookieName {
			return c.Value
		}
	}
	return ""
}

// deletes tells whether the answer deletes the session cookie, and says nothing
// else of it.
func (a answer) deletes() bool {
	return len(a.Header["Set-Cookie"]) == 1 &&
		a.Header["Set-Cookie"][0] == cookieName+"=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax"
}

// eachWay runs a property for both kinds of credential over both versions of
// HTTP, with a browser that is signed in, behind an nginx with these locations.
func eachWay(t *testing.T, locations string, property func(t *testing.T, s *site, b *browser)) {
	t.Helper()
	for _, http2 := range []bool{false, true} {
		for kind, form := range map[string]url.Values{"bearer": byPassword, "API key": byKey} {
			t.Run(fmt.Sprintf("%s over HTTP/%d", kind, map[bool]int{false: 1, true: 2}[http2]), func(t *testing.T) {
				s := newSite(t, locations)
				b := s.browser(http2).signIn(form)
				require.Equal(t, map[bool]int{false: 1, true: 2}[http2], b.get("/").ProtoMajor)
				property(t, s, b)
			})
		}
	}
}

// lines reads the lines of an answer as they arrive.
func lines(body io.Reader) <-chan string {
	arrived := make(chan string, 100)
	go func() {
		defer close(arrived)
		for scanner := bufio.NewScanner(body); scanner.Scan(); {
			if text := scanner.Text(); text != "" {
				arrived <- text
			}
		}
	}()
	return arrived
}

// next waits for the next line.
func next(t *testing.T, arrived <-chan string) string {
	t.Helper()
	select {
	case line, open := <-arrived:
		require.True(t, open, "the answer has ended")
		return line
	case <-time.After(patience):
		require.FailNow(t, "nothing arrives")
		return ""
	}
}
