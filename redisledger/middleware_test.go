//go:build unix

package redisledger_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
	"github.com/ecgrid-contrib/ecgridsession/internal/redisserver"
)

// app is a middleware whose ledger is a given one, and a user of it.
type app struct {
	t    testing.TB
	grid *ecgridtest.Server
	m    *ecgridsession.Middleware
}

var demo = ecgridtest.User{ID: 4711, Login: "demo", Password: "correct horse", APIKey: "demo-api-key-0123456789"}

func newApp(t testing.TB, ledger ecgridsession.Ledger) *app {
	t.Helper()
	a := &app{t: t, grid: ecgridtest.NewServer(t)}
	a.grid.AddUser(demo)
	key := make([]byte, 32)
	copy(key, "a key for tests that is not random")
	var err error
	a.m, err = ecgridsession.New(ecgridsession.Config{
		Upstream: a.grid.URL, Keys: [][]byte{key}, Ledger: ledger, LedgerTimeout: 10 * time.Second,
	})
	require.NoError(t, err)
	return a
}

// start signs in with what ECGrid has issued, or with an API key, and returns
// the cookie.
func (a *app) start(c ecgridsession.Credential) *http.Cookie {
	a.t.Helper()
	w := httptest.NewRecorder()
	_, err := a.m.Start(w, httptest.NewRequest(http.MethodPost, "/login", nil), c)
	require.NoError(a.t, err)
	return w.Result().Cookies()[0]
}

// request is one request with the cookie.
func (a *app) request(method, path string, cookie *http.Cookie) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	r.AddCookie(cookie)
	w := httptest.NewRecorder()
	var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusOK) })
	if path == "/logout" {
		h = a.m.LogoutHandler()
	} else {
		h = a.m.Require(h)
	}
	a.m.Wrap(h).ServeHTTP(w, r)
	return w
}

func TestARequestCostsAsFewRoundTripsAsItNeeds(t *testing.T) {
	w := newWire(t, redisserver.Start(t).Addr)
	ledger := opened(t, w.addr)
	a := newApp(t, ledger)
	warm := a.start(a.grid.Issue(demo.ID)) // connects
	require.Equal(t, http.StatusSeeOther, a.request(http.MethodPost, "/logout", warm).Code)

	var cookie *http.Cookie
	step := func(name string, want int, f func()) {
		t.Helper()
		assert.Equal(t, want, w.count(f), name)
	}
	step("signing in with a token: the user's cut-off", 1, func() { cookie = a.start(a.grid.Issue(demo.ID)) })
	for range 3 {
		step("a request", 1, func() { require.Equal(t, http.StatusOK, a.request(http.MethodGet, "/", cookie).Code) })
	}
	step("signing out: where it stands, then twice for its end", 3, func() {
		require.Equal(t, http.StatusSeeOther, a.request(http.MethodPost, "/logout", cookie).Code)
	})
	step("a request after it", 1, func() { require.Equal(t, http.StatusUnauthorized, a.request(http.MethodGet, "/", cookie).Code) })

	step("signing in with a key: the cut-off and the entry", 2, func() {
		cookie = a.start(ecgridsession.Credential{APIKey: demo.APIKey, UserID: demo.ID})
	})
	step("a request with a key", 1, func() { require.Equal(t, http.StatusOK, a.request(http.MethodGet, "/", cookie).Code) })

	a.grid.SetTokenTTL(4 * time.Second) // due after half of it, so that a busy machine has two seconds
	brief := a.start(a.grid.Issue(demo.ID))
	a.grid.SetTokenTTL(0)
	time.Sleep(2100 * time.Millisecond)
	step("a request that refreshes: where it stands, look, claim and publish", 4, func() {
		require.Equal(t, http.StatusOK, a.request(http.MethodGet, "/", brief).Code)
	})
	require.Len(t, a.grid.Calls("/v2/auth/refresh"), 1)
	step("a request with the older cookie: where it stands, and again when the newer cookie is set", 2, func() { require.Equal(t, http.StatusOK, a.request(http.MethodGet, "/", brief).Code) })
}
