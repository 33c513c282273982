//go:build unix

package stores_test

import (
	"context"
	"crypto/rand"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/boj/redistore"
	"github.com/glebarez/sqlite"
	"github.com/gomodule/redigo/redis"
	"github.com/gorilla/sessions"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/wader/gormstore/v2"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
	"github.com/ecgrid-contrib/ecgridsession/internal/redisserver"
)

var (
	demo  = ecgridtest.User{ID: 4711, Login: "demo", Password: "demo-password"}
	other = ecgridtest.User{ID: 815, Login: "other", Password: "other-password"}
)

// backend is a store and what the tests do behind its back.
type backend struct {
	store sessions.Store
	rows  func() int // how many there are
	lose  func()     // removes all of them
	fail  func()     // ends the database
}

func newKey() []byte {
	key := make([]byte, 32)
	rand.Read(key)
	return key
}

// onGorm is gormstore on SQLite: it finds the row by the request's cookie at Save.
func onGorm(t *testing.T) backend {
	path := filepath.Join(t.TempDir(), "sessions.db")
	db, err := gorm.Open(sqlite.Open(path+"?_pragma=busy_timeout(5000)"), &gorm.Config{Logger: logger.Discard})
	require.NoError(t, err)
	pool, err := db.DB()
	require.NoError(t, err)
	t.Cleanup(func() { pool.Close() })
	pool.SetMaxOpenConns(1) // SQLite has one writer
	store := gormstore.New(db, newKey(), newKey())
	return backend{
		store: store,
		rows: func() int {
			var n int64
			require.NoError(t, db.Table("sessions").Count(&n).Error)
			return int(n)
		},
		lose: func() { require.NoError(t, db.Exec("DELETE FROM sessions").Error) },
		fail: func() { pool.Close() },
	}
}

// onRedis is redistore: it deletes where MaxAge is 0, too.
func onRedis(t *testing.T) backend {
	server := redisserver.Start(t)
	dial := func() (redis.Conn, error) { return redis.Dial("tcp", server.Addr) }
	store, err := redistore.NewRediStoreWithPool(&redis.Pool{MaxIdle: 4, Dial: dial}, newKey(), newKey())
	require.NoError(t, err)
	do := func(command string) int {
		conn, err := dial()
		require.NoError(t, err)
		defer conn.Close()
		n, _ := redis.Int(conn.Do(command))
		return n
	}
	return backend{
		store: store, rows: func() int { return do("DBSIZE") }, lose: func() { do("FLUSHALL") }, fail: server.Kill,
	}
}

// site is an app on a store.
type site struct {
	backend
	t    *testing.T
	grid *ecgridtest.Server
	app  *httptest.Server
}

// onEach runs a property with each store.
func onEach(t *testing.T, property func(t *testing.T, s *site)) {
	for name, open := range map[string]func(*testing.T) backend{"gormstore": onGorm, "redistore": onRedis} {
		t.Run(name, func(t *testing.T) {
			s := &site{backend: open(t), t: t, grid: ecgridtest.NewServer(t)}
			s.grid.AddUser(demo)
			s.grid.AddUser(other)
			m, err := ecgridsession.New(ecgridsession.Config{
				Upstream: s.grid.URL, Keys: [][]byte{newKey()}, Store: s.store,
			})
			require.NoError(t, err)
			t.Cleanup(func() {
				ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
				defer cancel()
				m.Close(ctx)
			})
			mux := http.NewServeMux()
			mux.Handle("/login", m.LoginHandler())
			mux.Handle("/logout", m.LogoutHandler())
			mux.Handle("/private", m.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				session, _ := m.Session(r.Context())
				io.WriteString(w, session.Login)
			})))
			mux.HandleFunc("/{$}", func(http.ResponseWriter, *http.Request) {})
			s.app = httptest.NewTLSServer(m.Wrap(mux)) // "__Host-" is for https
			t.Cleanup(s.app.Close)
			property(t, s)
		})
	}
}

// browser is a client with cookies of its own, which follows no redirect.
func (s *site) browser() *http.Client {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(s.t, err)
	return &http.Client{
		Transport: s.app.Client().Transport, Jar: jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (s *site) send(b *http.Client, method, path string, form url.Values) (status int, text string) {
	s.t.Helper()
	req, err := http.NewRequest(method, s.app.URL+path, nil)
	require.NoError(s.t, err)
	if form != nil {
		req, err = http.NewRequest(method, s.app.URL+path, strings.NewReader(form.Encode()))
		require.NoError(s.t, err)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	req.Header.Set("Sec-Fetch-Mode", "navigate")
	req.Header.Set("Sec-Fetch-Dest", "document")
	resp, err := b.Do(req)
	require.NoError(s.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	return resp.StatusCode, string(body)
}

func (s *site) signIn(b *http.Client, user ecgridtest.User) {
	s.t.Helper()
	status, _ := s.send(b, http.MethodPost, "/login", url.Values{"login": {user.Login}, "password": {user.Password}})
	require.Equal(s.t, http.StatusSeeOther, status)
}

// user is who is signed in, or the status of the answer that says why nobody is.
func (s *site) user(b *http.Client) string {
	s.t.Helper()
	status, text := s.send(b, http.MethodGet, "/private", nil)
	if status != http.StatusOK {
		return http.StatusText(status)
	}
	return text
}

// cookies are what the browser holds for the app.
func (s *site) cookies(b *http.Client) []*http.Cookie {
	at, err := url.Parse(s.app.URL)
	require.NoError(s.t, err)
	return b.Jar.Cookies(at)
}

// copyOf is a browser with the cookies that b has now.
func (s *site) copyOf(b *http.Client) *http.Client {
	at, err := url.Parse(s.app.URL)
	require.NoError(s.t, err)
	other := s.browser()
	other.Jar.SetCookies(at, s.cookies(b))
	return other
}

const toSignIn = "See Other"

func TestASecondSignInTakesTheFirstsPlace(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		b := s.browser()
		s.signIn(b, demo)
		assert.Equal(t, demo.Login, s.user(b))
		first := s.copyOf(b)
		s.signIn(b, other)
		assert.Equal(t, other.Login, s.user(b))
		assert.Equal(t, toSignIn, s.user(first))
		assert.Equal(t, 1, s.rows(), "the old row is removed")
		assert.NotEqual(t, s.cookies(first), s.cookies(b))
	})
}

func TestUsersDoNotMeet(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		one, two := s.browser(), s.browser()
		s.signIn(one, demo)
		s.signIn(two, other)
		assert.Equal(t, 2, s.rows())
		assert.Equal(t, demo.Login, s.user(one))
		assert.Equal(t, other.Login, s.user(two))
		copied := s.copyOf(one)
		s.send(one, http.MethodPost, "/logout", nil)
		assert.Equal(t, toSignIn, s.user(copied))
		assert.Equal(t, other.Login, s.user(two))
		assert.Equal(t, 1, s.rows())
		assert.Zero(t, s.grid.LiveTokens(demo.ID))
	})
}

func TestARowThatIsGoneLeadsToSignIn(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		b := s.browser()
		s.signIn(b, demo)
		s.lose()
		assert.Equal(t, toSignIn, s.user(b))
		s.signIn(b, demo)
		assert.Equal(t, demo.Login, s.user(b))
	})
}

func TestATokenTooLargeForTheStoreIsKeptInTheLedger(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.grid.SetTokenSize(6000)
		b := s.browser()
		s.signIn(b, demo)
		assert.Equal(t, demo.Login, s.user(b))
		assert.Equal(t, 1, s.rows())
	})
}

func TestADatabaseThatIsDownSignsNobodyIn(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		b := s.browser()
		s.signIn(b, demo)
		s.fail()
		status, _ := s.send(s.browser(), http.MethodPost, "/login", url.Values{"login": {other.Login}, "password": {other.Password}})
		assert.Equal(t, http.StatusServiceUnavailable, status)
		assert.Eventually(t, func() bool { return s.grid.LiveTokens(other.ID) == 0 }, 10*time.Second, 10*time.Millisecond)
	})
}
