package ginadapter_test

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

func init() { gin.SetMode(gin.TestMode) } // its debug mode prints every route

const alice, bob = 1042, 2077

// site is what a gin app has at hand: the middleware, and ECGrid behind it.
type site struct {
	t        *testing.T
	grid     *ecgridtest.Server
	sessions *ecgridsession.Middleware
}

func newSite(t *testing.T, change ...func(*ecgridsession.Config)) *site {
	t.Helper()
	s := &site{t: t, grid: ecgridtest.NewServer(t)}
	s.grid.AddUser(ecgridtest.User{ID: alice, Login: "alice"})
	s.grid.AddUser(ecgridtest.User{ID: bob, Login: "bob"})
	key := make([]byte, 32)
	rand.Read(key)
	cfg := ecgridsession.Config{Upstream: s.grid.URL, Keys: [][]byte{key}, Logger: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(&cfg)
	}
	var err error
	s.sessions, err = ecgridsession.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		require.NoError(t, s.sessions.Close(ctx))
	})
	return s
}

// signedIn is the cookie of a new session.
func (s *site) signedIn(user int64) *http.Cookie {
	s.t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/login", nil)
	_, err := s.sessions.Start(w, r, ecgridsession.Credential{Token: s.grid.Issue(user).Token})
	require.NoError(s.t, err)
	cookies := w.Result().Cookies()
	require.Len(s.t, cookies, 1)
	return cookies[0]
}

// serve asks the app once, in this goroutine.
func serve(app http.Handler, method, path string, cookies ...*http.Cookie) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, path, nil)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	app.ServeHTTP(w, r)
	return w
}

// who is the user of a context, as a handler would ask.
func (s *site) who(ctx context.Context) string {
	session, signedIn := s.sessions.Session(ctx)
	if !signedIn {
		return "stranger"
	}
	return session.Login
}
