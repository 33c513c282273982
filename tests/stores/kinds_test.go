package stores

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/sessions"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// kind is a way in which stores of the field differ from gorilla's own.
type kind struct {
	byCookie    bool  // Save finds the row by the request's cookie
	idInNew     bool  // New makes the id, Save takes what is there
	idOfCookie  bool  // New takes the id from a cookie without a row
	cookieOnce  bool  // Save sets the cookie of a new session alone
	onlyGet     bool  // New does not look for a row
	heedsClient bool  // every call ends with the request's context
	nilOnError  bool  // New returns no session with an error
	absent      error // what is said of a row that is not there; nil for a new session
	keepsNew    bool  // IsNew is left as NewSession has it
}

// tableStore keeps rows in a map, in the way of its kind.
type tableStore struct {
	kind
	mu    sync.Mutex
	rows  map[string]map[any]any
	down  error
	panic bool
}

func newTable(k kind) *tableStore { return &tableStore{kind: k, rows: map[string]map[any]any{}} }

func (s *tableStore) fault(r *http.Request) error {
	if s.panic {
		panic("a nil map of the app's")
	}
	if s.heedsClient && r.Context().Err() != nil {
		return r.Context().Err()
	}
	return s.down
}

func (s *tableStore) Get(r *http.Request, name string) (*sessions.Session, error) {
	if s.onlyGet {
		return s.look(r, name)
	}
	return sessions.GetRegistry(r).Get(s, name)
}

func (s *tableStore) New(r *http.Request, name string) (*sessions.Session, error) {
	if s.onlyGet {
		session := sessions.NewSession(s, name)
		session.IsNew = true
		return session, nil
	}
	return s.look(r, name)
}

func (s *tableStore) look(r *http.Request, name string) (*sessions.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	session := sessions.NewSession(s, name)
	session.IsNew = !s.keepsNew
	err := s.fault(r)
	cookie, none := r.Cookie(name)
	if none == nil && err == nil {
		row, ok := s.rows[cookie.Value]
		switch {
		case ok:
			session.ID, session.IsNew = cookie.Value, false
			maps.Copy(session.Values, row)
			return session, nil
		case s.idOfCookie:
			session.ID = cookie.Value
		}
		err = s.absent
	}
	if s.idInNew && session.ID == "" {
		session.ID = rand.Text()
	}
	if err != nil && s.nilOnError {
		session = nil
	}
	return session, err
}

func (s *tableStore) Save(r *http.Request, w http.ResponseWriter, session *sessions.Session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.fault(r); err != nil {
		return err
	}
	if cookie, err := r.Cookie(session.Name()); s.byCookie && err == nil && s.rows[cookie.Value] != nil {
		session.ID = cookie.Value
	} else if s.byCookie || session.ID == "" && !s.idInNew {
		session.ID = rand.Text()
	}
	if session.Options.MaxAge <= 0 {
		delete(s.rows, session.ID)
		http.SetCookie(w, sessions.NewCookie(session.Name(), "", session.Options))
		return nil
	}
	s.rows[session.ID] = maps.Clone(session.Values)
	if !s.cookieOnce || session.IsNew {
		// As several stores do, without SameSite.
		http.SetCookie(w, &http.Cookie{Name: session.Name(), Value: session.ID, Path: "/", Secure: true, HttpOnly: true})
	}
	return nil
}

func (s *tableStore) set(down error, panics bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down, s.panic = down, panics
}

func (s *tableStore) ids() (ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.rows {
		ids = append(ids, id)
	}
	return ids
}

func (s *tableStore) lose() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.rows)
}

// other signs in beside site.Demo.
var other = ecgridtest.User{ID: 815, Login: "other", Password: "other-password-uK2"}

// onEachKind runs a property with a store of each kind as Config.Store.
func onEachKind(t *testing.T, property func(t *testing.T, s *site.Site, store *tableStore)) {
	t.Helper()
	for name, k := range map[string]kind{
		"as gorilla's":                        {},
		"finds the row by the cookie at Save": {byCookie: true},
		"makes the id in New":                 {idInNew: true, cookieOnce: true, nilOnError: true, absent: errors.New("session not found")},
		"takes the id of the cookie":          {idOfCookie: true, heedsClient: true},
		"reads in Get only":                   {onlyGet: true},
		"sets its cookie when new":            {cookieOnce: true},
		"heeds the client":                    {heedsClient: true},
		"sql":                                 {absent: errors.New("sql: no rows in result set")},
		"memcache":                            {absent: errors.New("memcache: cache miss"), byCookie: true},
		"an error of its own":                 {absent: errors.New("E1042: no such thing")},
		"leaves IsNew alone":                  {keepsNew: true},
	} {
		t.Run(name, func(t *testing.T) {
			store := newTable(k)
			s := site.New(t, site.With(func(c *ecgridsession.Config) { c.Store = store }))
			s.Grid.AddUser(other)
			property(t, s, store)
		})
	}
}

func as(user ecgridtest.User) url.Values {
	return url.Values{"login": {user.Login}, "password": {user.Password}}
}

func TestInEachKindOfStoreASecondSignInHasARowOfItsOwnAndStaysSignedIn(t *testing.T) {
	onEachKind(t, func(t *testing.T, s *site.Site, store *tableStore) {
		b := s.Browser().SignIn()
		require.Equal(t, "user demo", b.Get("/").Text)
		first, before := b.WithCookie(s), store.ids()
		require.Len(t, before, 1)
		b.Post("/login", as(other))
		after := store.ids()
		require.Len(t, after, 1, "the old row is removed")
		assert.NotEqual(t, before, after, "an id from before sign-in would let whoever knew it share the session")
		assert.Equal(t, "user other", b.Get("/").Text)
		assert.Equal(t, "anonymous", first.Get("/").Text)
	})
}

func TestInEachKindOfStoreAnIDFromBeforeSignInOpensNothing(t *testing.T) {
	onEachKind(t, func(t *testing.T, s *site.Site, _ *tableStore) {
		planted := site.Sent("planted")
		r := httptest.NewRequest(http.MethodPost, "/login", nil)
		r.Header.Set("Cookie", planted)
		w := httptest.NewRecorder()
		_, err := s.Middleware.Start(w, r, s.Grid.Issue(site.Demo.ID))
		require.NoError(t, err)
		assert.NotEqual(t, "planted", site.CookieIn(t, w))
		assert.False(t, s.Knows(planted))
	})
}

func TestInEachKindOfStoreUsersDoNotMeet(t *testing.T) {
	onEachKind(t, func(t *testing.T, s *site.Site, store *tableStore) {
		one, two := s.Browser().SignIn(), s.Browser()
		two.Post("/login", as(other))
		assert.Len(t, store.ids(), 2)
		assert.Equal(t, "user demo", one.Get("/").Text)
		assert.Equal(t, "user other", two.Get("/").Text)
		one.Post("/logout", nil)
		assert.Len(t, store.ids(), 1)
		assert.Equal(t, "user other", two.Get("/").Text)
	})
}

func TestInEachKindOfStoreACookieOutOfDateIsSetAnewInItsRow(t *testing.T) {
	onEachKind(t, func(t *testing.T, s *site.Site, store *tableStore) {
		b := s.Browser().SignIn()
		before := store.ids()
		s.AheadBy(20 * time.Minute)
		b.Get("/", site.Click...)
		assert.Equal(t, before, store.ids(), "a refresh leaves no row behind")
		s.AheadBy(40 * time.Minute)
		assert.Equal(t, "user demo", b.Get("/").Text, "the later request counted")
	})
}

func TestInEachKindOfStoreTheCookieHasOurAttributes(t *testing.T) {
	onEachKind(t, func(t *testing.T, s *site.Site, _ *tableStore) {
		w := httptest.NewRecorder()
		_, err := s.Middleware.Start(w, httptest.NewRequest(http.MethodPost, "/login", nil), s.Grid.Issue(site.Demo.ID))
		require.NoError(t, err)
		require.Len(t, w.Result().Cookies(), 1)
		set := w.Result().Cookies()[0]
		assert.Equal(t, http.SameSiteLaxMode, set.SameSite)
		assert.True(t, set.Secure && set.HttpOnly)
		assert.Equal(t, "/", set.Path)
		assert.Equal(t, 28800, set.MaxAge)
	})
}

func TestInEachKindOfStoreARowThatIsGoneLeadsToSignIn(t *testing.T) {
	onEachKind(t, func(t *testing.T, s *site.Site, store *tableStore) {
		b := s.Browser().SignIn()
		store.lose()
		assert.Equal(t, "anonymous", b.Get("/").Text)
		assert.Equal(t, http.StatusSeeOther, b.Get("/private", site.Click...).StatusCode, "an outage that never ends")
		assert.Equal(t, "user demo", b.SignIn().Get("/").Text)
	})
}

func TestInEachKindOfStoreAnOutageKeepsTheCookie(t *testing.T) {
	onEachKind(t, func(t *testing.T, s *site.Site, store *tableStore) {
		b := s.Browser().SignIn()
		store.set(site.ErrBackend, false)
		got := b.Get("/private", site.Click...)
		assert.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
		assert.Empty(t, got.SessionCookies())
		store.set(nil, false)
		assert.Equal(t, "user demo", b.Get("/").Text)
	})
}

func TestInEachKindOfStoreABrowserThatHangsUpAtSignOutIsSignedOut(t *testing.T) {
	onEachKind(t, func(t *testing.T, s *site.Site, store *tableStore) {
		b := s.Browser().SignIn()
		value := b.Cookie().Value
		gone, hangUp := context.WithCancel(context.Background())
		hangUp()
		r := httptest.NewRequestWithContext(gone, http.MethodPost, "https://app.example/logout", nil)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		r.Header.Set("Cookie", site.Sent(value))
		s.Handler.ServeHTTP(httptest.NewRecorder(), r)
		assert.False(t, s.Knows(site.Sent(value)))
		assert.Empty(t, store.ids())
		assert.Zero(t, s.Grid.LiveTokens(site.Demo.ID))
	})
}

func TestInEachKindOfStoreAPanicAtSignInLeavesNoTokenAlive(t *testing.T) {
	onEachKind(t, func(t *testing.T, s *site.Site, store *tableStore) {
		store.set(nil, true)
		got := s.Browser().Post("/login", as(site.Demo))
		assert.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
		assert.NotEmpty(t, s.Grid.Calls(site.LoginCall))
		require.Eventually(t, func() bool { return s.Grid.LiveTokens(site.Demo.ID) == 0 }, 10*time.Second, 5*time.Millisecond)
		store.set(nil, false)
		assert.Equal(t, "user demo", s.Browser().SignIn().Get("/").Text)
	})
}
