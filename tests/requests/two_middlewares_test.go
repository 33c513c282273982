package requests

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// twoUpstreams is an app that talks to two ECGrids, the live system and the
// test system, with a Middleware for each. Both wrap every request. They share
// keys and ledger, as is to be expected of one app.
//
//	/live/…, /test/…: login, logout, session, and whoami, which asks the upstream
type twoUpstreams struct {
	app        string
	live, test *ecgridtest.Server
	m          map[string]*ecgridsession.Middleware
	client     *http.Client
	jar        http.CookieJar
}

const liveCookie, testCookie = "__Host-ecgrid", "__Host-ecgrid-test"

func newTwoUpstreams(t *testing.T) *twoUpstreams {
	t.Helper()
	two := &twoUpstreams{live: ecgridtest.NewServer(t), test: ecgridtest.NewServer(t), m: make(map[string]*ecgridsession.Middleware)}
	two.live.AddUser(site.Demo)
	two.test.AddUser(ecgridtest.User{ID: site.Demo.ID, Login: "tester", Password: "another-password", APIKey: "another-key-0123456789"})
	keys, ledger := [][]byte{site.NewKey(t)}, ecgridsession.NewMemoryLedger()
	mux := http.NewServeMux()
	var handler http.Handler = mux
	for name, c := range map[string]struct{ upstream, cookie string }{
		"live": {two.live.URL, liveCookie}, "test": {two.test.URL, testCookie},
	} {
		m := site.NewMiddleware(t, ecgridsession.Config{Upstream: c.upstream, Keys: keys, Ledger: ledger, CookieName: c.cookie})
		two.m[name] = m
		mux.Handle("/"+name+"/login", m.LoginHandler())
		mux.Handle("/"+name+"/logout", m.LogoutHandler())
		mux.Handle("/"+name+"/session", m.SessionHandler())
		mux.HandleFunc("/"+name+"/whoami", func(w http.ResponseWriter, r *http.Request) {
			req := site.Outbound(t, r, http.MethodPost, c.upstream+"/v2/auth/session", "")
			req.Header["Cookie"] = r.Header["Cookie"]
			resp, err := m.Client().Do(req)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadGateway)
				return
			}
			defer resp.Body.Close()
			io.Copy(w, resp.Body)
		})
		handler = m.Wrap(handler)
	}
	server := site.Serve(t, handler)
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	two.app, two.jar = server.URL, jar
	two.client = &http.Client{Transport: server.Client().Transport, Jar: jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return two
}

// do sends a form, or a GET without one, and returns status, body and the names
// of the cookies that were set.
func (two *twoUpstreams) do(t *testing.T, path string, form url.Values) (status int, body string, set []string) {
	t.Helper()
	var resp *http.Response
	var err error
	if form == nil {
		resp, err = two.client.Get(two.app + path)
	} else {
		resp, err = two.client.PostForm(two.app+path, form)
	}
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	for _, c := range resp.Cookies() {
		set = append(set, c.Name)
	}
	return resp.StatusCode, string(text), set
}

func (two *twoUpstreams) signIn(t *testing.T, byKey bool) {
	t.Helper()
	forms := map[string]url.Values{
		"live": {"login": {site.Demo.Login}, "password": {site.Demo.Password}},
		"test": {"login": {"tester"}, "password": {"another-password"}},
	}
	if byKey {
		forms = map[string]url.Values{"live": {"api_key": {site.Demo.APIKey}}, "test": {"api_key": {"another-key-0123456789"}}}
	}
	for name, form := range forms {
		status, body, set := two.do(t, "/"+name+"/login", form)
		require.Equal(t, http.StatusSeeOther, status, body)
		assert.Equal(t, []string{map[string]string{"live": liveCookie, "test": testCookie}[name]}, set, "each sets its own cookie")
	}
}

func eachKindOfTwo(t *testing.T, property func(t *testing.T, two *twoUpstreams)) {
	t.Helper()
	for _, byKey := range []bool{false, true} {
		t.Run(map[bool]string{false: "bearer", true: "API key"}[byKey], func(t *testing.T) {
			two := newTwoUpstreams(t)
			two.signIn(t, byKey)
			property(t, two)
		})
	}
}

func TestTwoMiddlewaresKeepTheirUsersApart(t *testing.T) {
	eachKindOfTwo(t, func(t *testing.T, two *twoUpstreams) {
		for name, login := range map[string]string{"live": site.Demo.Login, "test": "tester"} {
			_, body, _ := two.do(t, "/"+name+"/session", nil)
			assert.Contains(t, body, `"login":"`+login+`"`)
			_, body, _ = two.do(t, "/"+name+"/whoami", nil)
			assert.Contains(t, body, `"login":"`+login+`"`)
		}
	})
}

func TestSigningOutOfOneUpstreamLeavesTheOther(t *testing.T) {
	eachKindOfTwo(t, func(t *testing.T, two *twoUpstreams) {
		status, _, set := two.do(t, "/test/logout", url.Values{})
		assert.Equal(t, http.StatusSeeOther, status)
		assert.Equal(t, []string{testCookie}, set)
		assert.Zero(t, two.test.LiveTokens(site.Demo.ID))
		assert.Empty(t, two.live.Calls("/v2/auth/logout"))

		status, _, _ = two.do(t, "/test/session", nil)
		assert.Equal(t, http.StatusUnauthorized, status)
		status, _, _ = two.do(t, "/live/whoami", nil)
		assert.Equal(t, http.StatusOK, status)
	})
}

// The same keys seal both, and the same user id is in both: only name and
// upstream tell them apart.
func TestTheCookieOfOneUpstreamIsNothingToTheOther(t *testing.T) {
	eachKindOfTwo(t, func(t *testing.T, two *twoUpstreams) {
		app, err := url.Parse(two.app)
		require.NoError(t, err)
		cookies := two.jar.Cookies(app)
		at := slices.IndexFunc(cookies, func(c *http.Cookie) bool { return c.Name == testCookie })
		require.GreaterOrEqual(t, at, 0)
		two.jar.SetCookies(app, []*http.Cookie{{Name: liveCookie, Value: cookies[at].Value, Path: "/", Secure: true}})
		status, _, _ := two.do(t, "/live/session", nil)
		assert.Equal(t, http.StatusUnauthorized, status)
		status, _, _ = two.do(t, "/test/session", nil)
		assert.Equal(t, http.StatusOK, status)
	})
}

func TestEachMiddlewareSeesItsOwnContextOnly(t *testing.T) {
	s := site.New(t)
	other := site.NewMiddleware(t, ecgridsession.Config{Upstream: s.Grid.URL, Keys: [][]byte{s.Key}})
	eachOrder := map[string]func(http.Handler) http.Handler{
		"other within":  other.Wrap,
		"other without": func(h http.Handler) http.Handler { return h },
	}
	for name, wrap := range eachOrder {
		t.Run(name, func(t *testing.T) {
			b := s.Browser().SignIn()
			b.During(func(w http.ResponseWriter, r *http.Request) {
				r.Header.Set("Cookie", "a=1") // the other has no cookie of its own
				wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					_, open := other.Session(r.Context())
					assert.False(t, open)
					_, err := other.Credential(r.Context())
					assert.ErrorIs(t, err, ecgridsession.ErrNoSession)
					wire := &site.RecordingTransport{}
					_, err = other.Transport(wire).RoundTrip(site.Outbound(t, r, http.MethodPost, s.Grid.URL+site.InboxCall, "{}"))
					assert.ErrorIs(t, err, ecgridsession.ErrNoSession)
					assert.Empty(t, wire.Sent())
					_, open = s.Middleware.Session(r.Context())
					assert.True(t, open, "and its own is still there")
				})).ServeHTTP(w, r)
			})
		})
	}
}

func TestNeitherUpstreamGetsTheOthersCredential(t *testing.T) {
	eachKindOfTwo(t, func(t *testing.T, two *twoUpstreams) {
		handler := two.m["live"].Wrap(two.m["test"].Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			for name, own := range map[string]string{"live": two.live.URL, "test": two.test.URL} {
				for _, url := range []string{two.live.URL, two.test.URL} {
					wire := &site.RecordingTransport{}
					_, err := two.m[name].Transport(wire).RoundTrip(site.Outbound(t, r, http.MethodPost, url+site.InboxCall, "{}"))
					if url == own {
						assert.NoError(t, err)
						assert.Len(t, wire.Sent(), 1)
						continue
					}
					assert.ErrorIs(t, err, ecgridsession.ErrOtherOrigin)
					assert.Empty(t, wire.Sent())
				}
			}
		})))
		app := site.Serve(t, handler)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, app.URL, nil)
		require.NoError(t, err)
		at, err := url.Parse(two.app)
		require.NoError(t, err)
		var pairs []string
		for _, c := range two.jar.Cookies(at) {
			pairs = append(pairs, c.Name+"="+c.Value)
		}
		require.Len(t, pairs, 2)
		req.Header.Set("Cookie", strings.Join(pairs, "; "))
		resp, err := app.Client().Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
	})
}
