package tests

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
)

// onEachStore runs a property with each store of gorilla's, and our own, as
// Config.Store, for each way to sign in and each version of HTTP.
func onEachStore(t *testing.T, property func(t *testing.T, s *site, b *browser), changes ...func(*ecgridsession.Config)) {
	t.Helper()
	for name, open := range map[string]func(t *testing.T) sessions.Store{
		"gorilla's cookie store": func(t *testing.T) sessions.Store {
			return sessions.NewCookieStore(randomKey(t), randomKey(t))
		},
		"gorilla's filesystem store": func(t *testing.T) sessions.Store {
			return sessions.NewFilesystemStore(t.TempDir(), randomKey(t), randomKey(t))
		},
		"our cookie store": func(t *testing.T) sessions.Store {
			return newStore(t, ecgridsession.CookieStoreConfig{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachWay(t, property, append(changes[:len(changes):len(changes)], func(c *ecgridsession.Config) { c.Store = open(t) })...)
		})
	}
}

// onFiles is a site on gorilla's FilesystemStore, and the directory of its rows.
func onFiles(t *testing.T, changes ...func(*ecgridsession.Config)) (s *site, dir string) {
	t.Helper()
	dir = t.TempDir()
	return newSite(t, append(changes, func(c *ecgridsession.Config) {
		c.Store = sessions.NewFilesystemStore(dir, randomKey(t))
	})...), dir
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
	onEachStore(t, func(t *testing.T, s *site, b *browser) {
		assert.Equal(t, "user demo", b.get("/").body)
		assert.Equal(t, http.StatusOK, b.get("/inbox").StatusCode)
		thief := b.withCookie(s)
		out := b.post("/logout", nil)
		assert.Equal(t, http.StatusSeeOther, out.StatusCode)
		assert.Equal(t, []string{deletion}, out.sessionCookies(), "gorilla's own deletion would carry the values")
		assert.Equal(t, "anonymous", thief.get("/").body)
		assert.Equal(t, http.StatusUnauthorized, thief.get("/private").StatusCode)
		assert.Zero(t, s.grid.LiveTokens(demo.ID))
		assert.Len(t, s.grid.Calls("/v2/auth/logout"), 1)
		s.logsNothing()
	})
}

func TestABadCookieInAnyStoreIsAnonymousAndTheUserSignsInAgain(t *testing.T) {
	onEachStore(t, func(t *testing.T, s *site, b *browser) {
		good := b.cookie().Value
		for name, value := range map[string]string{
			"flipped": good[:20] + string(good[20]^1) + good[21:], "cut": good[:len(good)/2], "empty": "", "garbage": "x",
			"8 KB": strings.Repeat("A", 8<<10), "8 KB that begins well": good + strings.Repeat("A", 8<<10),
		} {
			w := s.visit(click, sent(value))
			assert.Equal(t, "anonymous", w.Body.String(), name)
			assert.Empty(t, w.Header()["Set-Cookie"], name)
			r := httptest.NewRequest(http.MethodGet, "/private", nil)
			r.Header.Set("Cookie", sent(value))
			answer := httptest.NewRecorder()
			s.mux.ServeHTTP(answer, r)
			assert.Equal(t, http.StatusUnauthorized, answer.Code, name)
		}
		w := s.visit(click, strings.Repeat("a=b; ", 3000)+sent(good))
		assert.Equal(t, "anonymous", w.Body.String())
		assert.Equal(t, http.StatusOK, w.Code)
		assert.Empty(t, s.events.of(ecgridsession.LedgerUnavailable), "what a browser sends is no outage")
		s.logsNothing()
		again := s.browserOver(b.http.Transport)
		again.signIn()
		assert.Equal(t, "user demo", again.get("/").body)
	})
}

func TestOfTwoCookiesGorillasStoresTakeTheFirst(t *testing.T) {
	s, _ := onFiles(t)
	b := s.browser().signIn()
	good := b.cookie().Value
	assert.True(t, s.known(sent(good)+"; "+sent("tossed")))
	assert.False(t, s.known(sent("tossed")+"; "+sent(good)))
}

func TestTheStoresOwnMaxAgeIsTheLifetime(t *testing.T) {
	onEachStore(t, func(t *testing.T, s *site, _ *browser) {
		w := httptest.NewRecorder()
		_, err := s.m.Start(w, httptest.NewRequest(http.MethodPost, "/login", nil), s.grid.Issue(demo.ID))
		require.NoError(t, err)
		require.Len(t, w.Result().Cookies(), 1)
		assert.Equal(t, 28800, w.Result().Cookies()[0].MaxAge, "0 means delete to several stores")
	})
}

func TestSignInGivesANewRowAndRemovesTheOld(t *testing.T) {
	s, dir := onFiles(t)
	b := s.browser().signIn()
	before := rows(t, dir)
	require.Len(t, before, 1)
	old := b.withCookie(s)
	b.signIn()
	after := rows(t, dir)
	require.Len(t, after, 1, "the old row is removed")
	assert.NotEqual(t, before, after, "an id that somebody knew before sign-in would let them share the session")
	assert.Equal(t, "user demo", b.get("/").body)
	assert.Equal(t, "anonymous", old.get("/").body)
	require.Eventually(t, func() bool { return s.grid.LiveTokens(demo.ID) == 1 }, 10*time.Second, 5*time.Millisecond)
	s.logsNothing()
}

func TestAFixatedIDIsNotUsed(t *testing.T) {
	dir := t.TempDir()
	store := sessions.NewFilesystemStore(dir, randomKey(t))
	s := newSite(t, func(c *ecgridsession.Config) { c.Store = store })
	// A row of the attacker's, which the app itself made before sign-in.
	w := httptest.NewRecorder()
	planted := sessions.NewSession(store, "__Host-ecgrid")
	planted.Options.MaxAge = 60
	require.NoError(t, store.Save(httptest.NewRequest(http.MethodGet, "/", nil), w, planted))
	known := w.Result().Cookies()[0].Value
	row := rows(t, dir)

	r := httptest.NewRequest(http.MethodPost, "/login", nil)
	r.Header.Set("Cookie", sent(known))
	w = httptest.NewRecorder()
	_, err := s.m.Start(w, r, s.grid.Issue(demo.ID))
	require.NoError(t, err)
	assert.NotEqual(t, known, cookieIn(t, w))
	assert.NotEqual(t, row, rows(t, dir))
	assert.False(t, s.known(sent(known)))
}

func TestTheRowIsGoneAtLogout(t *testing.T) {
	s, dir := onFiles(t)
	b := s.browser().signIn()
	copied := b.withCookie(s)
	require.Len(t, rows(t, dir), 1)
	b.post("/logout", nil)
	assert.Empty(t, rows(t, dir))
	assert.Equal(t, "anonymous", copied.get("/").body)
	assert.Equal(t, http.StatusSeeOther, copied.post("/logout", nil).StatusCode)
	s.logsNothing()
}

func TestARowThatComesBackOpensNothing(t *testing.T) {
	s, dir := onFiles(t)
	b := s.browser().signIn()
	copied := b.withCookie(s)
	name := filepath.Join(dir, rows(t, dir)[0])
	row, err := os.ReadFile(name)
	require.NoError(t, err)
	b.post("/logout", nil)
	require.NoError(t, os.WriteFile(name, row, 0o600)) // a backup, or a slow request's late write
	assert.Equal(t, "anonymous", copied.get("/").body)
}

func TestATokenTooLargeForTheStoreGoesToTheLedger(t *testing.T) {
	for _, size := range []int{3000, 8 << 10, maxToken} {
		s, dir := onFiles(t)
		s.grid.SetTokenSize(size)
		b := s.browser().signIn()
		assert.Equal(t, "user demo", b.get("/").body, size)
		assert.Equal(t, http.StatusOK, b.get("/inbox").StatusCode, size)
		assert.Len(t, rows(t, dir), 1)
		b.signIn()
		assert.Len(t, rows(t, dir), 1, "the old row is removed")
		b.post("/logout", nil)
		assert.Empty(t, rows(t, dir))
		require.Eventually(t, func() bool { return s.grid.LiveTokens(demo.ID) == 0 }, 10*time.Second, 5*time.Millisecond)
		s.logsNothing()
	}
}

func TestTheBackendSeesNoPlaintext(t *testing.T) {
	dir := t.TempDir()
	store := &watchedStore{Store: sessions.NewFilesystemStore(dir, randomKey(t))}
	s := newSite(t, func(c *ecgridsession.Config) { c.Store = store })
	s.grid.SetTokenSize(400)
	token := s.grid.Issue(demo.ID)
	w := httptest.NewRecorder()
	_, err := s.m.Start(w, httptest.NewRequest(http.MethodPost, "/login", nil), token)
	require.NoError(t, err)
	require.Len(t, store.saved, 1, "one value, and that is all")
	for key, value := range store.saved {
		assert.Equal(t, "ecgridsession", key)
		text, ok := value.(string)
		require.True(t, ok, "a string suits any store's encoding")
		showsNothingOf(t, text, []byte(token.Token))
		assert.NotContains(t, text, demo.Login)
	}
	content, err := os.ReadFile(filepath.Join(dir, rows(t, dir)[0]))
	require.NoError(t, err)
	showsNothingOf(t, string(content), []byte(token.Token))
	showsNothingOf(t, w.Header().Get("Set-Cookie"), []byte(token.Token))
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
