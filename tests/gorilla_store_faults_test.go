package tests

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
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
	store := &failingStore{Store: sessions.NewFilesystemStore(t.TempDir(), randomKey(t))}
	return store, func(c *ecgridsession.Config) { c.Store = store }
}

var errBackend = errors.New("dial tcp 10.0.0.7:6379: connection refused")

func TestABackendThatFailsKeepsTheCookieAndRequireAnswers503(t *testing.T) {
	store, with := withFailingStore(t)
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		store.fail(errBackend, nil)
		for _, header := range [][]string{click, fetchCall, nil} {
			open := b.get("/", header...)
			assert.Equal(t, "anonymous", open.body)
			assert.Empty(t, open.Header["Set-Cookie"], "an outage signs nobody out")
			guarded := b.get("/private", header...)
			assert.Equal(t, http.StatusServiceUnavailable, guarded.StatusCode)
			assert.NotEmpty(t, guarded.Header.Get("Retry-After"))
			assert.Empty(t, guarded.Header["Set-Cookie"])
			assert.NotContains(t, guarded.body, "10.0.0.7")
			session := b.get("/session", header...)
			assert.Equal(t, http.StatusServiceUnavailable, session.StatusCode)
		}
		assert.NotEmpty(t, s.events.of(ecgridsession.LedgerUnavailable))
		assert.Empty(t, s.events.of(ecgridsession.CookieRejected))
		store.fail(nil, nil)
		assert.Equal(t, "user demo", b.get("/").body)
	}, with)
}

func TestALogoutWhileTheBackendFailsIsNotCalledASuccess(t *testing.T) {
	store, with := withFailingStore(t)
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		store.fail(errBackend, nil)
		got := b.post("/logout", nil)
		assert.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
		assert.Equal(t, []string{deletion}, got.sessionCookies())
		store.fail(nil, nil)
	}, with)
}

func TestASignInWhileTheBackendFailsIs503AndTheSessionThatWasThereGoesOn(t *testing.T) {
	store, with := withFailingStore(t)
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		store.fail(nil, errBackend)
		for _, form := range []map[string][]string{
			{"login": {demo.Login}, "password": {demo.Password}}, {"api_key": {demo.APIKey}},
		} {
			got := b.post("/login", form)
			assert.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
			assert.NotEmpty(t, got.Header.Get("Retry-After"))
			assert.Empty(t, got.sessionCookies())
		}
		store.fail(nil, nil)
		assert.Equal(t, "user demo", b.get("/").body)
		w := httptest.NewRecorder()
		store.fail(nil, errBackend)
		_, err := s.m.Start(w, httptest.NewRequest(http.MethodPost, "/login", nil), s.grid.Issue(demo.ID))
		require.ErrorIs(t, err, ecgridsession.ErrLedgerUnavailable)
		require.ErrorIs(t, err, errBackend, "for the operator")
		store.fail(nil, nil)
	}, with)
}

func TestASessionTooLargeLeavesTheOneThatWasThereInItsStore(t *testing.T) {
	store, with := withFailingStore(t)
	ledger := &unpluggableLedger{Ledger: ecgridsession.NewMemoryLedger()}
	s := newSite(t, with, func(c *ecgridsession.Config) { c.Ledger = ledger })
	b := s.browser().signIn()
	ledger.unplugged.Store(true)
	got := b.post("/login", map[string][]string{"api_key": {demo.APIKey}}) // keys are kept in the ledger
	assert.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
	s.grid.SetTokenSize(8 << 10)
	got = b.post("/login", map[string][]string{"login": {demo.Login}, "password": {demo.Password}})
	assert.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
	ledger.unplugged.Store(false)
	assert.Equal(t, "user demo", b.get("/").body)
	store.fail(nil, nil)
}

func TestARowThatCannotBeRemovedIsToldOfInTheLog(t *testing.T) {
	store, with := withFailingStore(t)
	s := newSite(t, with)
	b := s.browser().signIn()
	copied := b.withCookie(s)
	store.onDeletionOnly = true
	store.fail(nil, errBackend)
	got := b.post("/logout", nil)
	assert.Equal(t, http.StatusSeeOther, got.StatusCode, "the ledger has the last word")
	assert.Equal(t, []string{deletion}, got.sessionCookies())
	assert.Contains(t, s.logs.String(), "the session store kept its row")
	assert.Equal(t, "anonymous", copied.get("/").body)
}

// unpluggableLedger is one that can be taken away.
type unpluggableLedger struct {
	ecgridsession.Ledger
	unplugged atomic.Bool
}

func (l *unpluggableLedger) Load(ctx context.Context, keys ...string) ([][]byte, error) {
	if l.unplugged.Load() {
		return nil, errBackend
	}
	return l.Ledger.Load(ctx, keys...)
}

func (l *unpluggableLedger) CompareAndSwap(ctx context.Context, key string, old, next []byte, ttl time.Duration) (bool, error) {
	if l.unplugged.Load() {
		return false, errBackend
	}
	return l.Ledger.CompareAndSwap(ctx, key, old, next, ttl)
}

func TestARowIsWrittenAgainUnderItsOwnID(t *testing.T) {
	s, dir := onFiles(t)
	b := s.browser().signIn()
	before := rows(t, dir)
	setNow(s.m, func() time.Time { return time.Now().Add(10 * time.Minute) })
	require.Len(t, b.get("/", click...).sessionCookies(), 1)
	assert.Equal(t, before, rows(t, dir), "no row is left behind by each cookie that is set anew")
	setNow(s.m, func() time.Time { return time.Now().Add(35 * time.Minute) })
	assert.Equal(t, "user demo", b.get("/").body, "it counts from the later request")
}

func TestARowThatIsNotOursIsUnreadable(t *testing.T) {
	store := sessions.NewFilesystemStore(t.TempDir(), randomKey(t))
	s := newSite(t, func(c *ecgridsession.Config) { c.Store = store })
	for _, values := range []map[any]any{{}, {"ecgridsession": 1}, {"ecgridsession": "garbage"}, {"other": "x"}} {
		w := httptest.NewRecorder()
		session := sessions.NewSession(store, "__Host-ecgrid")
		session.Options.MaxAge, session.Values = 60, values
		require.NoError(t, store.Save(httptest.NewRequest(http.MethodGet, "/", nil), w, session))
		s.refuses(sent(w.Result().Cookies()[0].Value))
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
	var failing atomic.Bool
	gorilla := sessions.NewCookieStore(randomKey(t))
	s := newSite(t, func(c *ecgridsession.Config) {
		c.Store = oddStore{gorilla, func(r *http.Request, w http.ResponseWriter, session *sessions.Session) error {
			err := gorilla.Save(r, w, session)
			if failing.Load() {
				err = errBackend
			}
			return err
		}}
	})
	// From the start, since revocations of the background read the clock.
	var later atomic.Int64
	setNow(s.m, func() time.Time { return time.Now().Add(time.Duration(later.Load())) })
	failing.Store(true)
	got := s.browser().post("/login", map[string][]string{"login": {demo.Login}, "password": {demo.Password}})
	assert.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
	assert.Empty(t, got.Header["Set-Cookie"])

	failing.Store(false)
	b := s.browser().signIn()
	failing.Store(true)
	later.Store(int64(10 * time.Minute))
	aged := b.get("/", click...)
	assert.Equal(t, "user demo", aged.body)
	assert.Empty(t, aged.Header["Set-Cookie"], "the one that the browser has goes on")
}

func TestAStoreThatSetsNoCookieIsAFaultAtSignIn(t *testing.T) {
	s := newSite(t, func(c *ecgridsession.Config) {
		c.Store = oddStore{sessions.NewCookieStore(randomKey(t)), func(*http.Request, http.ResponseWriter, *sessions.Session) error { return nil }}
	})
	got := s.browser().post("/login", map[string][]string{"login": {demo.Login}, "password": {demo.Password}})
	assert.Equal(t, http.StatusInternalServerError, got.StatusCode)
	assert.Empty(t, got.Header["Set-Cookie"])
}

func TestACookieOfTheStoresThatBrowsersWouldDropGoesToTheLedger(t *testing.T) {
	gorilla := sessions.NewCookieStore(randomKey(t))
	for _, codec := range gorilla.Codecs {
		codec.(*securecookie.SecureCookie).MaxLength(0) // it would set one of any length
	}
	s := newSite(t, func(c *ecgridsession.Config) { c.Store = gorilla })
	for _, size := range []int{400, 1500, 2000, 2500, 4000, maxToken} {
		s.grid.SetTokenSize(size)
		b := s.browser().signIn()
		require.NotNil(t, b.cookie(), size)
		assert.LessOrEqual(t, len("__Host-ecgrid")+len(b.cookie().Value), 4096, size)
		assert.Equal(t, http.StatusOK, b.get("/inbox").StatusCode, size)
	}
}

func TestADeletionTellsTheStoreNothingOfTheSession(t *testing.T) {
	store := &watchedStore{Store: sessions.NewFilesystemStore(t.TempDir(), randomKey(t))}
	s := newSite(t, func(c *ecgridsession.Config) { c.Store = store })
	b := s.browser().signIn()
	require.NotEmpty(t, store.saved)
	b.post("/logout", nil)
	assert.Empty(t, store.saved)
}

func TestRequestsThatRaceWithALogoutOpenNothingAfterIt(t *testing.T) {
	s, _ := onFiles(t)
	b := s.browser().signIn()
	value := b.cookie().Value
	setNow(s.m, func() time.Time { return time.Now().Add(10 * time.Minute) }) // each of them writes the row again
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			w := s.visit(click, sent(value))
			assert.Equal(t, http.StatusOK, w.Code)
		})
	}
	b.post("/logout", nil)
	wg.Wait()
	assert.False(t, s.known(sent(value)))
}
