package stores

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

func TestACookieStoreSetsItsCookiesByItsOptions(t *testing.T) {
	for name, c := range map[string]struct {
		options sessions.Options
		line    string
	}{
		"zero":        {sessions.Options{}, `; Path=/; HttpOnly; Secure; SameSite=Lax`},
		"path":        {sessions.Options{Path: "/app"}, `; Path=/app; HttpOnly; Secure; SameSite=Lax`},
		"domain":      {sessions.Options{Domain: "app.example"}, `; Path=/; Domain=app.example; HttpOnly; Secure; SameSite=Lax`},
		"strict":      {sessions.Options{SameSite: http.SameSiteStrictMode}, `; Path=/; HttpOnly; Secure; SameSite=Strict`},
		"none":        {sessions.Options{SameSite: http.SameSiteNoneMode}, `; Path=/; HttpOnly; Secure; SameSite=None`},
		"max age":     {sessions.Options{MaxAge: 5}, `; Path=/; Max-Age=5; HttpOnly; Secure; SameSite=Lax`},
		"partitioned": {sessions.Options{Partitioned: true}, `; Path=/; HttpOnly; Secure; SameSite=Lax; Partitioned`},
		"secure said": {sessions.Options{Secure: true, HttpOnly: true}, `; Path=/; HttpOnly; Secure; SameSite=Lax`},
	} {
		w := saved(t, site.NewStore(t, ecgridsession.CookieStoreConfig{Options: c.options}), "app", 1)
		require.Len(t, w.Header()["Set-Cookie"], 1, name)
		_, attributes, _ := strings.Cut(w.Header()["Set-Cookie"][0], ";")
		assert.Equal(t, c.line, ";"+attributes, name)
	}
}

func TestTheOptionsOfOneSessionAreItsOwn(t *testing.T) {
	store := site.NewStore(t, ecgridsession.CookieStoreConfig{})
	r := requestWith(nil)
	session, err := store.New(r, "app")
	require.NoError(t, err)
	session.Options.Secure, session.Options.HttpOnly, session.Options.Path = false, false, "/plain"
	w := httptest.NewRecorder()
	require.NoError(t, session.Save(r, w))
	assert.Regexp(t, `^app=[\w-]+; Path=/plain; SameSite=Lax$`, w.Header().Get("Set-Cookie"))
	other, err := store.New(r, "app")
	require.NoError(t, err)
	assert.True(t, other.Options.Secure)
	assert.Equal(t, "/", other.Options.Path)
}

func TestASessionWithoutOptionsIsSavedWithTheStores(t *testing.T) {
	store := site.NewStore(t, ecgridsession.CookieStoreConfig{})
	session := sessions.NewSession(store, "app")
	session.Options = nil
	w := httptest.NewRecorder()
	require.NoError(t, store.Save(requestWith(nil), w, session))
	assert.Regexp(t, `^app=[\w-]+; Path=/; HttpOnly; Secure; SameSite=Lax$`, w.Header().Get("Set-Cookie"))
}

func TestANameThatIsNoCookieNameIsAnErrorAndSetsNothing(t *testing.T) {
	store := site.NewStore(t, ecgridsession.CookieStoreConfig{})
	for _, name := range []string{"", "a b", "a;b", "a=b", "a\r\nSet-Cookie: b", "ä", "a\x00"} {
		for _, maxAge := range []int{0, -1} {
			session := sessions.NewSession(store, name)
			session.Options = &sessions.Options{Path: "/", MaxAge: maxAge}
			w := httptest.NewRecorder()
			assert.Errorf(t, store.Save(requestWith(nil), w, session), "%q, max age %d", name, maxAge)
			assert.Emptyf(t, w.Header(), "%q, max age %d", name, maxAge)
		}
	}
}

func TestASessionWithoutANameIsNew(t *testing.T) {
	store := site.NewStore(t, ecgridsession.CookieStoreConfig{})
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Cookie", "=value; other=value")
	session, err := store.New(r, "")
	require.NoError(t, err)
	assert.True(t, session.IsNew)
}

func TestACookieStoreChangesKeysWithoutLosingASession(t *testing.T) {
	before, after := site.NewKey(t), site.NewKey(t)
	w := saved(t, site.NewStore(t, ecgridsession.CookieStoreConfig{Keys: [][]byte{before}}), "app", "kept")
	rotating := site.NewStore(t, ecgridsession.CookieStoreConfig{Keys: [][]byte{after, before}})
	session, err := rotating.New(requestWith(w), "app")
	require.NoError(t, err)
	assert.Equal(t, "kept", session.Values["k"])

	again := httptest.NewRecorder()
	require.NoError(t, session.Save(requestWith(nil), again))
	finished := site.NewStore(t, ecgridsession.CookieStoreConfig{Keys: [][]byte{after}})
	session, err = finished.New(requestWith(again), "app")
	require.NoError(t, err, "the first key seals")
	assert.Equal(t, "kept", session.Values["k"])
	_, err = finished.New(requestWith(w), "app")
	assert.Error(t, err, "the older key is gone")
}

func TestCookiesThatGorillaWroteAreReadWhileAnAppMoves(t *testing.T) {
	hash, block := site.NewKey(t), site.NewKey(t)
	for name, old := range map[string]*sessions.CookieStore{
		"signed":    sessions.NewCookieStore(hash),
		"encrypted": sessions.NewCookieStore(hash, block),
	} {
		w := saved(t, old, "app", "brought along")
		moving := site.NewStore(t, ecgridsession.CookieStoreConfig{ReadAlso: append(
			securecookie.CodecsFromPairs(site.NewKey(t), site.NewKey(t)), old.Codecs...)})
		session, err := moving.New(requestWith(w), "app")
		require.NoError(t, err, name)
		assert.False(t, session.IsNew)
		assert.Equal(t, map[any]any{"k": "brought along"}, session.Values)

		// Written by the key ring, so that ReadAlso can go one day.
		again := httptest.NewRecorder()
		require.NoError(t, session.Save(requestWith(nil), again))
		_, err = old.New(requestWith(again), "app")
		assert.Error(t, err, "nothing is written by the old codecs")
		session, err = moving.New(requestWith(again), "app")
		require.NoError(t, err)
		assert.Equal(t, "brought along", session.Values["k"])

		_, err = site.NewStore(t, ecgridsession.CookieStoreConfig{}).New(requestWith(w), "app")
		assert.Error(t, err, "only where ReadAlso says so")
		r := requestWith(nil)
		r.AddCookie(&http.Cookie{Name: "app2", Value: w.Result().Cookies()[0].Value})
		_, err = moving.New(r, "app2")
		assert.Error(t, err, "under its own name only")
	}
}

func TestReadAlsoIsCopied(t *testing.T) {
	old := sessions.NewCookieStore(site.NewKey(t))
	codecs := append([]securecookie.Codec(nil), old.Codecs...)
	store := site.NewStore(t, ecgridsession.CookieStoreConfig{ReadAlso: codecs})
	codecs[0] = nil
	_, err := store.New(requestWith(saved(t, old, "app", 1)), "app")
	assert.NoError(t, err)
}

func TestOfSeveralCookiesTheStoreTakesTheOnlyOneThatOpens(t *testing.T) {
	store := site.NewStore(t, ecgridsession.CookieStoreConfig{})
	value := func(v any) string { return saved(t, store, "app", v).Result().Cookies()[0].Value }
	for line, want := range map[string]any{
		"app=tossed; app=" + value("good"):                     "good",
		"app=" + value("good") + "; app=tossed":                "good",
		"app=" + value("one") + "; app=" + value("2"):          nil,
		strings.Repeat("app=x; ", 4) + "app=" + value("good"):  nil,
		strings.Repeat("a=b; ", 3000) + "app=" + value("good"): nil,
		`app="` + value("good") + `"`:                          nil,
		"app=" + value("good") + "=":                           nil,
	} {
		r := requestWith(nil)
		r.Header.Set("Cookie", line)
		session, err := store.New(r, "app")
		assert.Equalf(t, want, session.Values["k"], "%.40s", line)
		assert.Equalf(t, want == nil, session.IsNew, "%.40s", line)
		assert.Equalf(t, want == nil, err != nil, "%.40s", line)
	}
}

func TestTheStoresKeysMayBeTheMiddlewares(t *testing.T) {
	s := site.New(t)
	store := site.NewStore(t, ecgridsession.CookieStoreConfig{Keys: [][]byte{s.Key}})
	r := requestWith(nil)
	r.Header.Set("Cookie", site.Sent(s.CookieOf("bearer")))
	_, err := store.New(r, "__Host-ecgrid")
	assert.Error(t, err, "what is sealed for one purpose never opens for another")
	value := saved(t, store, "__Host-ecgrid", 1).Result().Cookies()[0].Value
	assert.False(t, s.Knows(site.Sent(value)))
}

func TestACookieStoreIsSafeForConcurrentUse(t *testing.T) {
	store := site.NewStore(t, ecgridsession.CookieStoreConfig{ReadAlso: securecookie.CodecsFromPairs(site.NewKey(t))})
	cookie := saved(t, store, "app", 7).Result().Cookies()[0]
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for range 50 {
				r := requestWith(nil)
				r.AddCookie(&http.Cookie{Name: cookie.Name, Value: cookie.Value})
				session, err := store.Get(r, "app")
				assert.NoError(t, err)
				assert.Equal(t, 7, session.Values["k"])
				session.Values["mine"], session.Options.MaxAge = i, i
				assert.NoError(t, session.Save(requestWith(nil), httptest.NewRecorder()))
			}
		})
	}
	wg.Wait()
}

func TestACookieStoreNamesEveryFaultOfItsConfigAtOnce(t *testing.T) {
	canary := []byte("canary-key-bytes-31-characters!")
	_, err := ecgridsession.NewCookieStore(ecgridsession.CookieStoreConfig{Options: sessions.Options{MaxAge: -1},
		Keys:     [][]byte{canary, make([]byte, 32)},
		ReadAlso: []securecookie.Codec{nil, securecookie.New(site.NewKey(t), nil), nil},
	})
	require.Error(t, err)
	for _, words := range []string{"keys[0] is 31 bytes", "keys[1] is one byte repeated", "codec 0 is nil", "codec 2 is nil", "MaxAge"} {
		assert.ErrorContains(t, err, words)
	}
	assert.NotContains(t, err.Error(), "canary")
	_, err = ecgridsession.NewCookieStore(ecgridsession.CookieStoreConfig{})
	assert.ErrorContains(t, err, "CookieStoreConfig.Keys: there are no keys")
}
