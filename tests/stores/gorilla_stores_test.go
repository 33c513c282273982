package stores

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/sessions"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// onEachStore runs a property with each store of gorilla's, and our own, as
// Config.Store, for each way to sign in and each version of HTTP.
func onEachStore(t *testing.T, property func(t *testing.T, s *site.Site, b *site.Browser), changes ...func(*ecgridsession.Config)) {
	t.Helper()
	for name, open := range map[string]func(t *testing.T) sessions.Store{
		"gorilla's cookie store": func(t *testing.T) sessions.Store {
			return sessions.NewCookieStore(site.NewKey(t), site.NewKey(t))
		},
		"gorilla's filesystem store": func(t *testing.T) sessions.Store {
			return sessions.NewFilesystemStore(t.TempDir(), site.NewKey(t), site.NewKey(t))
		},
		"our cookie store": func(t *testing.T) sessions.Store {
			return site.NewStore(t, ecgridsession.CookieStoreConfig{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			site.EachWay(t, property, site.With(append(changes[:len(changes):len(changes)], func(c *ecgridsession.Config) { c.Store = open(t) })...))
		})
	}
}

// onFiles is a site on gorilla's FilesystemStore, and the directory of its rows.
func onFiles(t *testing.T, options ...site.Option) (s *site.Site, dir string) {
	t.Helper()
	dir = t.TempDir()
	return site.New(t, append(options, site.With(func(c *ecgridsession.Config) {
		c.Store = sessions.NewFilesystemStore(dir, site.NewKey(t))
	}))...), dir
}

// rows are the files of a FilesystemStore, by name.
func rows(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestASessionInAnyStoreSignsInCallsECGridAndSignsOut(t *testing.T) {
	onEachStore(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		assert.Equal(t, "user demo", b.Get("/").Text)
		assert.Equal(t, http.StatusOK, b.Get("/inbox").StatusCode)
		thief := b.WithCookie(s)
		out := b.Post("/logout", nil)
		assert.Equal(t, http.StatusSeeOther, out.StatusCode)
		assert.Equal(t, []string{site.Deletion}, out.SessionCookies(), "gorilla's own deletion would carry the values")
		assert.Equal(t, "anonymous", thief.Get("/").Text)
		assert.Equal(t, http.StatusUnauthorized, thief.Get("/private").StatusCode)
		assert.Zero(t, s.Grid.LiveTokens(site.Demo.ID))
		assert.Len(t, s.Grid.Calls("/v2/auth/logout"), 1)
		s.LogsNothing()
	})
}

func TestABadCookieInAnyStoreIsAnonymousAndTheUserSignsInAgain(t *testing.T) {
	onEachStore(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		good := b.Cookie().Value
		for name, value := range map[string]string{
			"flipped": good[:20] + string(good[20]^1) + good[21:], "cut": good[:len(good)/2], "empty": "", "garbage": "x",
			"8 KB": strings.Repeat("A", 8<<10), "8 KB that begins well": good + strings.Repeat("A", 8<<10),
		} {
			w := s.Visit(site.Click, site.Sent(value))
			assert.Equal(t, "anonymous", w.Body.String(), name)
			assert.Empty(t, w.Header()["Set-Cookie"], name)
			r := httptest.NewRequest(http.MethodGet, "/private", nil)
			r.Header.Set("Cookie", site.Sent(value))
			answer := httptest.NewRecorder()
			s.Mux.ServeHTTP(answer, r)
			assert.Equal(t, http.StatusUnauthorized, answer.Code, name)
		}
		w := s.Visit(site.Click, strings.Repeat("a=b; ", 3000)+site.Sent(good))
		assert.Equal(t, "anonymous", w.Body.String())
		assert.Equal(t, http.StatusOK, w.Code)
		assert.Empty(t, s.Events.Of(ecgridsession.LedgerUnavailable), "what a browser sends is no outage")
		s.LogsNothing()
		again := s.BrowserOver(b.HTTP.Transport)
		again.SignIn()
		assert.Equal(t, "user demo", again.Get("/").Text)
	})
}

func TestOfTwoCookiesGorillasStoresTakeTheFirst(t *testing.T) {
	s, _ := onFiles(t)
	b := s.Browser().SignIn()
	good := b.Cookie().Value
	assert.True(t, s.Knows(site.Sent(good)+"; "+site.Sent("tossed")))
	assert.False(t, s.Knows(site.Sent("tossed")+"; "+site.Sent(good)))
}

func TestTheStoresOwnMaxAgeIsTheLifetime(t *testing.T) {
	onEachStore(t, func(t *testing.T, s *site.Site, _ *site.Browser) {
		w := httptest.NewRecorder()
		_, err := s.Middleware.Start(w, httptest.NewRequest(http.MethodPost, "/login", nil), s.Grid.Issue(site.Demo.ID))
		require.NoError(t, err)
		require.Len(t, w.Result().Cookies(), 1)
		assert.Equal(t, 28800, w.Result().Cookies()[0].MaxAge, "0 means delete to several stores")
	})
}

func TestSignInGivesANewRowAndRemovesTheOld(t *testing.T) {
	s, dir := onFiles(t)
	b := s.Browser().SignIn()
	before := rows(t, dir)
	require.Len(t, before, 1)
	old := b.WithCookie(s)
	b.SignIn()
	after := rows(t, dir)
	require.Len(t, after, 1, "the old row is removed")
	assert.NotEqual(t, before, after, "an id that somebody knew before sign-in would let them share the session")
	assert.Equal(t, "user demo", b.Get("/").Text)
	assert.Equal(t, "anonymous", old.Get("/").Text)
	require.Eventually(t, func() bool { return s.Grid.LiveTokens(site.Demo.ID) == 1 }, 10*time.Second, 5*time.Millisecond)
	s.LogsNothing()
}

func TestAFixatedIDIsNotUsed(t *testing.T) {
	dir := t.TempDir()
	store := sessions.NewFilesystemStore(dir, site.NewKey(t))
	s := site.New(t, site.With(func(c *ecgridsession.Config) { c.Store = store }))
	// A row of the attacker's, which the app itself made before sign-in.
	w := httptest.NewRecorder()
	planted := sessions.NewSession(store, "__Host-ecgrid")
	planted.Options.MaxAge = 60
	require.NoError(t, store.Save(httptest.NewRequest(http.MethodGet, "/", nil), w, planted))
	known := w.Result().Cookies()[0].Value
	row := rows(t, dir)

	r := httptest.NewRequest(http.MethodPost, "/login", nil)
	r.Header.Set("Cookie", site.Sent(known))
	w = httptest.NewRecorder()
	_, err := s.Middleware.Start(w, r, s.Grid.Issue(site.Demo.ID))
	require.NoError(t, err)
	assert.NotEqual(t, known, site.CookieIn(t, w))
	assert.NotEqual(t, row, rows(t, dir))
	assert.False(t, s.Knows(site.Sent(known)))
}

func TestTheRowIsGoneAtLogout(t *testing.T) {
	s, dir := onFiles(t)
	b := s.Browser().SignIn()
	copied := b.WithCookie(s)
	require.Len(t, rows(t, dir), 1)
	b.Post("/logout", nil)
	assert.Empty(t, rows(t, dir))
	assert.Equal(t, "anonymous", copied.Get("/").Text)
	assert.Equal(t, http.StatusSeeOther, copied.Post("/logout", nil).StatusCode)
	s.LogsNothing()
}

func TestARowThatComesBackOpensNothing(t *testing.T) {
	s, dir := onFiles(t)
	b := s.Browser().SignIn()
	copied := b.WithCookie(s)
	name := filepath.Join(dir, rows(t, dir)[0])
	row, err := os.ReadFile(name)
	require.NoError(t, err)
	b.Post("/logout", nil)
	require.NoError(t, os.WriteFile(name, row, 0o600)) // a backup, or a slow request's late write
	assert.Equal(t, "anonymous", copied.Get("/").Text)
}

func TestATokenTooLargeForTheStoreGoesToTheLedger(t *testing.T) {
	for _, size := range []int{3000, 8 << 10, site.MaxToken} {
		s, dir := onFiles(t)
		s.Grid.SetTokenSize(size)
		b := s.Browser().SignIn()
		assert.Equal(t, "user demo", b.Get("/").Text, size)
		assert.Equal(t, http.StatusOK, b.Get("/inbox").StatusCode, size)
		assert.Len(t, rows(t, dir), 1)
		b.SignIn()
		assert.Len(t, rows(t, dir), 1, "the old row is removed")
		b.Post("/logout", nil)
		assert.Empty(t, rows(t, dir))
		require.Eventually(t, func() bool { return s.Grid.LiveTokens(site.Demo.ID) == 0 }, 10*time.Second, 5*time.Millisecond)
		s.LogsNothing()
	}
}

func TestTheBackendSeesNoPlaintext(t *testing.T) {
	dir := t.TempDir()
	store := &watchedStore{Store: sessions.NewFilesystemStore(dir, site.NewKey(t))}
	s := site.New(t, site.With(func(c *ecgridsession.Config) { c.Store = store }))
	s.Grid.SetTokenSize(400)
	token := s.Grid.Issue(site.Demo.ID)
	w := httptest.NewRecorder()
	_, err := s.Middleware.Start(w, httptest.NewRequest(http.MethodPost, "/login", nil), token)
	require.NoError(t, err)
	require.Len(t, store.saved, 1, "one value, and that is all")
	for key, value := range store.saved {
		assert.Equal(t, "ecgridsession", key)
		text, ok := value.(string)
		require.True(t, ok, "a string suits any store's encoding")
		site.ShowsNothingOf(t, text, []byte(token.Token))
		assert.NotContains(t, text, site.Demo.Login)
	}
	content, err := os.ReadFile(filepath.Join(dir, rows(t, dir)[0]))
	require.NoError(t, err)
	site.ShowsNothingOf(t, string(content), []byte(token.Token))
	site.ShowsNothingOf(t, w.Header().Get("Set-Cookie"), []byte(token.Token))
}

// watchedStore keeps what was saved last.
type watchedStore struct {
	sessions.Store
	saved map[any]any
}

func (s *watchedStore) Save(r *http.Request, w http.ResponseWriter, session *sessions.Session) error {
	s.saved = session.Values
	return s.Store.Save(r, w, session)
}
