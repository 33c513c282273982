package stores

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// failingStore is a store whose backend fails while it is told to.
type failingStore struct {
	sessions.Store
	mu             sync.Mutex
	onNew, onSave  error
	onDeletionOnly bool
}

func (s *failingStore) fail(onNew, onSave error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onNew, s.onSave = onNew, onSave
}

func (s *failingStore) New(r *http.Request, name string) (*sessions.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.onNew != nil {
		return sessions.NewSession(s, name), s.onNew
	}
	return s.Store.New(r, name)
}

func (s *failingStore) Save(r *http.Request, w http.ResponseWriter, session *sessions.Session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.onSave != nil && (!s.onDeletionOnly || session.Options.MaxAge < 0) {
		return s.onSave
	}
	return s.Store.Save(r, w, session)
}

func withFailingStore(t *testing.T) (*failingStore, func(*ecgridsession.Config)) {
	t.Helper()
	store := &failingStore{Store: sessions.NewFilesystemStore(t.TempDir(), site.NewKey(t))}
	return store, func(c *ecgridsession.Config) { c.Store = store }
}

func TestABackendThatFailsKeepsTheCookieAndRequireAnswers503(t *testing.T) {
	store, with := withFailingStore(t)
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		store.fail(site.ErrBackend, nil)
		for _, header := range [][]string{site.Click, site.FetchCall, nil} {
			open := b.Get("/", header...)
			assert.Equal(t, "anonymous", open.Text)
			assert.Empty(t, open.Header["Set-Cookie"], "an outage signs nobody out")
			guarded := b.Get("/private", header...)
			assert.Equal(t, http.StatusServiceUnavailable, guarded.StatusCode)
			assert.NotEmpty(t, guarded.Header.Get("Retry-After"))
			assert.Empty(t, guarded.Header["Set-Cookie"])
			assert.NotContains(t, guarded.Text, "10.0.0.7")
			session := b.Get("/session", header...)
			assert.Equal(t, http.StatusServiceUnavailable, session.StatusCode)
		}
		assert.NotEmpty(t, s.Events.Of(ecgridsession.LedgerUnavailable))
		assert.Empty(t, s.Events.Of(ecgridsession.CookieRejected))
		store.fail(nil, nil)
		assert.Equal(t, "user demo", b.Get("/").Text)
	}, site.With(with))
}

func TestALogoutWhileTheBackendFailsIsNotCalledASuccess(t *testing.T) {
	store, with := withFailingStore(t)
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		store.fail(site.ErrBackend, nil)
		got := b.Post("/logout", nil)
		assert.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
		assert.Equal(t, []string{site.Deletion}, got.SessionCookies())
		store.fail(nil, nil)
	}, site.With(with))
}

func TestASignInWhileTheBackendFailsIs503AndTheSessionThatWasThereGoesOn(t *testing.T) {
	store, with := withFailingStore(t)
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		store.fail(nil, site.ErrBackend)
		for _, form := range []map[string][]string{
			{"login": {site.Demo.Login}, "password": {site.Demo.Password}}, {"api_key": {site.Demo.APIKey}},
		} {
			got := b.Post("/login", form)
			assert.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
			assert.NotEmpty(t, got.Header.Get("Retry-After"))
			assert.Empty(t, got.SessionCookies())
		}
		store.fail(nil, nil)
		assert.Equal(t, "user demo", b.Get("/").Text)
		w := httptest.NewRecorder()
		store.fail(nil, site.ErrBackend)
		_, err := s.Middleware.Start(w, httptest.NewRequest(http.MethodPost, "/login", nil), s.Grid.Issue(site.Demo.ID))
		require.ErrorIs(t, err, ecgridsession.ErrLedgerUnavailable)
		require.ErrorIs(t, err, site.ErrBackend, "for the operator")
		store.fail(nil, nil)
	}, site.With(with))
}

func TestASessionTooLargeLeavesTheOneThatWasThereInItsStore(t *testing.T) {
	store, with := withFailingStore(t)
	ledger := &unpluggableLedger{Ledger: ecgridsession.NewMemoryLedger()}
	s := site.New(t, site.With(with, func(c *ecgridsession.Config) { c.Ledger = ledger }))
	b := s.Browser().SignIn()
	ledger.unplugged.Store(true)
	got := b.Post("/login", map[string][]string{"api_key": {site.Demo.APIKey}}) // keys are kept in the ledger
	assert.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
	s.Grid.SetTokenSize(8 << 10)
	got = b.Post("/login", map[string][]string{"login": {site.Demo.Login}, "password": {site.Demo.Password}})
	assert.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
	ledger.unplugged.Store(false)
	assert.Equal(t, "user demo", b.Get("/").Text)
	store.fail(nil, nil)
}

func TestARowThatCannotBeRemovedIsToldOfInTheLog(t *testing.T) {
	store, with := withFailingStore(t)
	s := site.New(t, site.With(with))
	b := s.Browser().SignIn()
	copied := b.WithCookie(s)
	store.onDeletionOnly = true
	store.fail(nil, site.ErrBackend)
	got := b.Post("/logout", nil)
	assert.Equal(t, http.StatusSeeOther, got.StatusCode, "the ledger has the last word")
	assert.Equal(t, []string{site.Deletion}, got.SessionCookies())
	assert.Contains(t, s.Logs.String(), "the session store kept its row")
	assert.Equal(t, "anonymous", copied.Get("/").Text)
}

// unpluggableLedger is one that can be taken away.
type unpluggableLedger struct {
	ecgridsession.Ledger
	unplugged atomic.Bool
}

func (l *unpluggableLedger) Load(ctx context.Context, keys ...string) ([][]byte, error) {
	if l.unplugged.Load() {
		return nil, site.ErrBackend
	}
	return l.Ledger.Load(ctx, keys...)
}

func (l *unpluggableLedger) CompareAndSwap(ctx context.Context, key string, old, next []byte, ttl time.Duration) (bool, error) {
	if l.unplugged.Load() {
		return false, site.ErrBackend
	}
	return l.Ledger.CompareAndSwap(ctx, key, old, next, ttl)
}

func TestARowIsWrittenAgainUnderItsOwnID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, dir := onFiles(t, site.InProcess())
		v := s.SignIn(site.Demo)
		before := rows(t, dir)
		time.Sleep(10 * time.Minute)
		require.Len(t, v.Get(s, "/", site.Click...).SessionCookies(), 1)
		assert.Equal(t, before, rows(t, dir), "no row is left behind by each cookie that is set anew")
		time.Sleep(25 * time.Minute)
		assert.Equal(t, "user demo", v.Get(s, "/").Text, "it counts from the later request")
	})
}

func TestARowThatIsNotOursIsUnreadable(t *testing.T) {
	store := sessions.NewFilesystemStore(t.TempDir(), site.NewKey(t))
	s := site.New(t, site.With(func(c *ecgridsession.Config) { c.Store = store }))
	for _, values := range []map[any]any{{}, {"ecgridsession": 1}, {"ecgridsession": "garbage"}, {"other": "x"}} {
		w := httptest.NewRecorder()
		session := sessions.NewSession(store, "__Host-ecgrid")
		session.Options.MaxAge, session.Values = 60, values
		require.NoError(t, store.Save(httptest.NewRequest(http.MethodGet, "/", nil), w, session))
		s.Refuses(site.Sent(w.Result().Cookies()[0].Value))
	}
}

// oddStore saves in a way of its own.
type oddStore struct {
	sessions.Store
	save func(r *http.Request, w http.ResponseWriter, session *sessions.Session) error
}

func (s oddStore) Save(r *http.Request, w http.ResponseWriter, session *sessions.Session) error {
	return s.save(r, w, session)
}

func TestAStoreThatSetsItsCookieAndFailsSetsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var failing atomic.Bool
		gorilla := sessions.NewCookieStore(site.NewKey(t))
		s := site.New(t, site.InProcess(), site.With(func(c *ecgridsession.Config) {
			c.Store = oddStore{gorilla, func(r *http.Request, w http.ResponseWriter, session *sessions.Session) error {
				err := gorilla.Save(r, w, session)
				if failing.Load() {
					err = site.ErrBackend
				}
				return err
			}}
		}))
		failing.Store(true)
		form := url.Values{"login": {site.Demo.Login}, "password": {site.Demo.Password}}
		got := new(site.Visitor).SendForm(t.Context(), s, http.MethodPost, "/login", form)
		assert.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
		assert.Empty(t, got.Header["Set-Cookie"])

		failing.Store(false)
		v := s.SignIn(site.Demo)
		failing.Store(true)
		time.Sleep(10 * time.Minute)
		aged := v.Get(s, "/", site.Click...)
		assert.Equal(t, "user demo", aged.Text)
		assert.Empty(t, aged.Header["Set-Cookie"], "the one that the browser has goes on")
	})
}

func TestAStoreThatSetsNoCookieIsAFaultAtSignIn(t *testing.T) {
	s := site.New(t, site.With(func(c *ecgridsession.Config) {
		c.Store = oddStore{sessions.NewCookieStore(site.NewKey(t)), func(*http.Request, http.ResponseWriter, *sessions.Session) error { return nil }}
	}))
	got := s.Browser().Post("/login", map[string][]string{"login": {site.Demo.Login}, "password": {site.Demo.Password}})
	assert.Equal(t, http.StatusInternalServerError, got.StatusCode)
	assert.Empty(t, got.Header["Set-Cookie"])
}

func TestACookieOfTheStoresThatBrowsersWouldDropGoesToTheLedger(t *testing.T) {
	gorilla := sessions.NewCookieStore(site.NewKey(t))
	for _, codec := range gorilla.Codecs {
		codec.(*securecookie.SecureCookie).MaxLength(0) // it would set one of any length
	}
	s := site.New(t, site.With(func(c *ecgridsession.Config) { c.Store = gorilla }))
	for _, size := range []int{400, 1500, 2000, 2500, 4000, site.MaxToken} {
		s.Grid.SetTokenSize(size)
		b := s.Browser().SignIn()
		require.NotNil(t, b.Cookie(), size)
		assert.LessOrEqual(t, len("__Host-ecgrid")+len(b.Cookie().Value), 4096, size)
		assert.Equal(t, http.StatusOK, b.Get("/inbox").StatusCode, size)
	}
}

func TestADeletionTellsTheStoreNothingOfTheSession(t *testing.T) {
	store := &watchedStore{Store: sessions.NewFilesystemStore(t.TempDir(), site.NewKey(t))}
	s := site.New(t, site.With(func(c *ecgridsession.Config) { c.Store = store }))
	b := s.Browser().SignIn()
	require.NotEmpty(t, store.saved)
	b.Post("/logout", nil)
	assert.Empty(t, store.saved)
}

func TestRequestsThatRaceWithALogoutOpenNothingAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := onFiles(t, site.InProcess())
		v := s.SignIn(site.Demo)
		value := v.Cookie
		time.Sleep(10 * time.Minute) // each of them writes the row again
		var wg sync.WaitGroup
		for range 32 {
			wg.Go(func() {
				w := s.Visit(site.Click, site.Sent(value))
				assert.Equal(t, http.StatusOK, w.Code)
			})
		}
		v.Post(s, "/logout")
		wg.Wait()
		assert.False(t, s.Knows(site.Sent(value)))
	})
}
