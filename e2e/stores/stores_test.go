//go:build linux

package stores_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/antonlindstrom/pgstore"
	"github.com/boj/redistore"
	"github.com/bradfitz/gomemcache/memcache"
	gsm "github.com/bradleypeabody/gorilla-sessions-memcache"
	"github.com/glebarez/sqlite"
	"github.com/gomodule/redigo/redis"
	"github.com/gorilla/sessions"
	"github.com/rbcervilla/redisstore/v9"
	goredis "github.com/redis/go-redis/v9"
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
	rows  func() int // how many there are; nil where that cannot be asked
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

// onRedisstore is rbcervilla's redisstore: it takes the id of a cookie without a
// row, and heeds the request's context.
func onRedisstore(t *testing.T) backend {
	server := redisserver.Start(t)
	client := goredis.NewClient(&goredis.Options{Addr: server.Addr, MaxRetries: -1})
	t.Cleanup(func() { client.Close() })
	store, err := redisstore.NewRedisStore(t.Context(), client)
	require.NoError(t, err)
	return backend{
		store: store,
		rows:  func() int { return int(client.DBSize(t.Context()).Val()) },
		lose:  func() { require.NoError(t, client.FlushAll(t.Context()).Err()) },
		fail:  server.Kill,
	}
}

// onMemcached is the store for memcached: a row that is gone is an error, and a
// row is deleted by a time to live below 0.
func onMemcached(t *testing.T) backend {
	addr, stop := startMemcached(t)
	client := memcache.New(addr)
	t.Cleanup(func() { client.Close() })
	return backend{
		store: gsm.NewMemcacheStore(client, "app_", newKey(), newKey()),
		lose:  func() { require.NoError(t, client.FlushAll()) },
		fail:  stop,
	}
}

// onPostgres is pgstore: a row that is gone is sql.ErrNoRows.
func onPostgres(t *testing.T) backend {
	url, stop := startPostgres(t)
	store, err := pgstore.NewPGStore(url, newKey(), newKey())
	require.NoError(t, err)
	t.Cleanup(store.Close)
	db, err := sql.Open("postgres", url)
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	return backend{
		store: store,
		rows: func() (n int) {
			require.NoError(t, db.QueryRow("SELECT count(*) FROM http_sessions").Scan(&n))
			return n
		},
		lose: func() {
			_, err := db.Exec("DELETE FROM http_sessions")
			require.NoError(t, err)
		},
		fail: stop,
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
	for name, open := range map[string]func(*testing.T) backend{
		"gormstore": onGorm, "redistore": onRedis, "redisstore": onRedisstore, "memcached": onMemcached, "pgstore": onPostgres,
		"dynastore": onDynamo,
	} {
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

// has asserts how many rows there are.
func (s *site) has(rows int) {
	s.t.Helper()
	if s.rows != nil {
		assert.Equal(s.t, rows, s.rows())
	}
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
		s.has(1)
		assert.NotEqual(t, s.cookies(first), s.cookies(b))
	})
}

func TestUsersDoNotMeet(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		one, two := s.browser(), s.browser()
		s.signIn(one, demo)
		s.signIn(two, other)
		s.has(2)
		assert.Equal(t, demo.Login, s.user(one))
		assert.Equal(t, other.Login, s.user(two))
		copied := s.copyOf(one)
		s.send(one, http.MethodPost, "/logout", nil)
		assert.Equal(t, toSignIn, s.user(copied))
		assert.Equal(t, other.Login, s.user(two))
		s.has(1)
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
		s.has(1)
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

func TestABrowserThatHangsUpAtSignOutIsSignedOut(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		b := s.browser()
		s.signIn(b, demo)
		copied := s.copyOf(b)
		gone, hangUp := context.WithCancel(t.Context())
		hangUp()
		r := httptest.NewRequestWithContext(gone, http.MethodPost, s.app.URL+"/logout", nil)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		for _, c := range s.cookies(b) {
			r.AddCookie(c)
		}
		s.app.Config.Handler.ServeHTTP(httptest.NewRecorder(), r)
		assert.Equal(t, toSignIn, s.user(copied))
		s.has(0)
		assert.Zero(t, s.grid.LiveTokens(demo.ID))
	})
}

func TestAnIDFromBeforeSignInOpensNothing(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		at, err := url.Parse(s.app.URL)
		require.NoError(t, err)
		b := s.browser()
		b.Jar.SetCookies(at, []*http.Cookie{{Name: "__Host-ecgrid", Value: "planted", Path: "/", Secure: true}})
		planted := s.copyOf(b)
		s.signIn(b, demo)
		assert.Equal(t, demo.Login, s.user(b))
		assert.Equal(t, toSignIn, s.user(planted))
	})
}
