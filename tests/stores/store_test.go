package stores

import (
	"encoding/gob"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
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

// preferences is a type of an app's own.
type preferences struct {
	Rows  int
	Theme string
}

func init() {
	gob.Register(&preferences{})
	gob.Register(time.Time{})
}

// likeGorilla runs a property on gorilla's own CookieStore and on ours: an app
// that changes the one for the other notices nothing.
func likeGorilla(t *testing.T, property func(t *testing.T, store sessions.Store)) {
	t.Helper()
	t.Run("gorilla's", func(t *testing.T) { property(t, sessions.NewCookieStore(site.NewKey(t), site.NewKey(t))) })
	t.Run("ours", func(t *testing.T) { property(t, site.NewStore(t, ecgridsession.CookieStoreConfig{})) })
}

// requestWith is a request that carries the cookies an answer set.
func requestWith(w *httptest.ResponseRecorder) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "https://app.example/", nil)
	if w != nil {
		for _, c := range w.Result().Cookies() {
			r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
		}
	}
	return r
}

func TestEveryValueComesBack(t *testing.T) {
	likeGorilla(t, func(t *testing.T, store sessions.Store) {
		values := map[any]any{
			"string": "wert", "empty": "", "int": 42, 43: "an int as key", "bool": true, "bytes": []byte{0, 1, 255},
			"float": 1.5, "struct": &preferences{Rows: 50, Theme: "dark"}, "time": time.Unix(1_700_000_000, 0).UTC(),
			"unicode": "日本語\r\n; =\"", 'r': int64(-1),
		}
		r, w := requestWith(nil), httptest.NewRecorder()
		session, err := store.New(r, "app")
		require.NoError(t, err)
		assert.True(t, session.IsNew)
		assert.Empty(t, session.Values)
		for k, v := range values {
			session.Values[k] = v
		}
		require.NoError(t, session.Save(r, w))

		again, err := store.New(requestWith(w), "app")
		require.NoError(t, err)
		assert.False(t, again.IsNew)
		assert.Equal(t, values, again.Values)
		assert.Equal(t, "app", again.Name())
		assert.Equal(t, "/", again.Options.Path)
	})
}

func TestASessionWithoutValuesComesBack(t *testing.T) {
	likeGorilla(t, func(t *testing.T, store sessions.Store) {
		r, w := requestWith(nil), httptest.NewRecorder()
		session, err := store.New(r, "app")
		require.NoError(t, err)
		require.NoError(t, store.Save(r, w, session))
		again, err := store.New(requestWith(w), "app")
		require.NoError(t, err)
		assert.False(t, again.IsNew)
		again.Values["later"] = 1 // the map can be written to
	})
}

func TestGetGoesThroughTheRegistry(t *testing.T) {
	likeGorilla(t, func(t *testing.T, store sessions.Store) {
		r := requestWith(nil)
		first, err := store.Get(r, "app")
		require.NoError(t, err)
		second, err := store.Get(r, "app")
		require.NoError(t, err)
		assert.Same(t, first, second)
		assert.Equal(t, store, first.Store())
		fresh, err := store.New(r, "app")
		require.NoError(t, err)
		assert.NotSame(t, first, fresh, "New leaves the registry out")
		other, err := store.Get(r, "other")
		require.NoError(t, err)
		assert.NotSame(t, first, other)

		first.Values["k"], other.Values["k"] = 1, 2
		w := httptest.NewRecorder()
		require.NoError(t, sessions.Save(r, w))
		assert.Len(t, w.Result().Cookies(), 2)
		r = requestWith(w)
		first, err = store.Get(r, "app")
		require.NoError(t, err)
		other, err = store.Get(r, "other")
		require.NoError(t, err)
		assert.Equal(t, map[any]any{"k": 1}, first.Values)
		assert.Equal(t, map[any]any{"k": 2}, other.Values)
	})
}

func TestGetRefusesAnInvalidName(t *testing.T) {
	likeGorilla(t, func(t *testing.T, store sessions.Store) {
		_, err := store.Get(requestWith(nil), "no name\r\nSet-Cookie: x")
		assert.Error(t, err)
	})
}

func TestFlashesAreSeenOnce(t *testing.T) {
	likeGorilla(t, func(t *testing.T, store sessions.Store) {
		r, w := requestWith(nil), httptest.NewRecorder()
		session, err := store.Get(r, "app")
		require.NoError(t, err)
		assert.Empty(t, session.Flashes())
		session.AddFlash("foo")
		session.AddFlash("bar")
		session.AddFlash("baz", "custom_key")
		session.AddFlash(&preferences{Rows: 10})
		require.NoError(t, session.Save(r, w))

		r, w = requestWith(w), httptest.NewRecorder()
		session, err = store.Get(r, "app")
		require.NoError(t, err)
		assert.Equal(t, []any{"foo", "bar", &preferences{Rows: 10}}, session.Flashes())
		assert.Empty(t, session.Flashes())
		assert.Equal(t, []any{"baz"}, session.Flashes("custom_key"))
		require.NoError(t, session.Save(r, w))

		session, err = store.Get(requestWith(w), "app")
		require.NoError(t, err)
		assert.Empty(t, session.Flashes())
		assert.Empty(t, session.Flashes("custom_key"))
	})
}

func TestACookieThatDoesNotOpenGivesANewSessionAndADecodeError(t *testing.T) {
	likeGorilla(t, func(t *testing.T, store sessions.Store) {
		for _, value := range []string{"garbage", "", strings.Repeat("A", 4000), "AAAA=="} {
			r := requestWith(nil)
			r.Header.Set("Cookie", "app="+value)
			session, err := store.New(r, "app")
			var decoding securecookie.Error
			require.ErrorAs(t, err, &decoding, value)
			assert.True(t, decoding.IsDecode())
			assert.False(t, decoding.IsUsage())
			assert.False(t, decoding.IsInternal())
			require.NotNil(t, session)
			assert.True(t, session.IsNew)
			assert.Empty(t, session.Values)

			// As apps do it: the error is ignored and the session used.
			session.Values["k"] = "v"
			w := httptest.NewRecorder()
			require.NoError(t, session.Save(r, w))
			again, err := store.New(requestWith(w), "app")
			require.NoError(t, err)
			assert.Equal(t, "v", again.Values["k"])
		}
	})
}

func TestAnOverlongCookieIsADecodeErrorToo(t *testing.T) {
	old := sessions.NewCookieStore(site.NewKey(t))
	for _, codec := range old.Codecs {
		codec.(*securecookie.SecureCookie).MaxLength(0)
	}
	long := saved(t, old, "app", strings.Repeat("x", 4096)).Result().Cookies()[0]
	r := requestWith(nil)
	r.AddCookie(&http.Cookie{Name: long.Name, Value: long.Value})
	_, err := old.New(r, "app")
	require.NoError(t, err)

	session, err := site.NewStore(t, ecgridsession.CookieStoreConfig{ReadAlso: old.Codecs}).New(r, "app")
	var decoding securecookie.Error
	require.ErrorAs(t, err, &decoding, "gorilla's store gives a plain error")
	assert.True(t, decoding.IsDecode())
	assert.Empty(t, session.Values)
}

func TestAValueThatCannotBeEncodedIsAUsageErrorAndSetsNothing(t *testing.T) {
	likeGorilla(t, func(t *testing.T, store sessions.Store) {
		r, w := requestWith(nil), httptest.NewRecorder()
		session, err := store.New(r, "app")
		require.NoError(t, err)
		session.Values["f"] = func() {}
		err = session.Save(r, w)
		var encoding securecookie.Error
		require.ErrorAs(t, err, &encoding)
		assert.False(t, encoding.IsDecode())
		assert.Empty(t, w.Header())
	})
}

func TestACookieOfOneNameDoesNotOpenUnderAnother(t *testing.T) {
	likeGorilla(t, func(t *testing.T, store sessions.Store) {
		w := saved(t, store, "cart", 1)
		r := requestWith(nil)
		r.AddCookie(&http.Cookie{Name: "admin", Value: w.Result().Cookies()[0].Value})
		session, err := store.New(r, "admin")
		assert.Error(t, err)
		assert.Empty(t, session.Values)
	})
}

// saved is an answer that sets the session of a name, with one value.
func saved(t *testing.T, store sessions.Store, name string, value any) *httptest.ResponseRecorder {
	t.Helper()
	r, w := requestWith(nil), httptest.NewRecorder()
	session, err := store.New(r, name)
	require.NoError(t, err)
	session.Values["k"] = value
	require.NoError(t, session.Save(r, w))
	return w
}

func TestASavedCookieIsKeptOutOfCachesAndIsTheOnlyOneOfItsName(t *testing.T) {
	store := site.NewStore(t, ecgridsession.CookieStoreConfig{})
	r, w := requestWith(nil), httptest.NewRecorder()
	w.Header().Set("Cache-Control", "public, max-age=3600")
	w.Header().Add("Set-Cookie", "other=1")
	session, err := store.Get(r, "app")
	require.NoError(t, err)
	for i := range 3 {
		session.Values["k"] = i
		require.NoError(t, session.Save(r, w))
	}
	lines := w.Header()["Set-Cookie"]
	require.Len(t, lines, 2)
	assert.Equal(t, "other=1", lines[0])
	assert.Regexp(t, `^app=[\w-]+; Path=/; HttpOnly; Secure; SameSite=Lax$`, lines[1])
	assert.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	assert.Equal(t, []string{"Cookie"}, w.Header()["Vary"])
	again, err := store.Get(requestWith(w), "app")
	require.NoError(t, err)
	assert.Equal(t, 2, again.Values["k"])
}

func TestADeletionDeletes(t *testing.T) {
	store := site.NewStore(t, ecgridsession.CookieStoreConfig{})
	r := requestWith(saved(t, store, "app", "canary-value-hJ2"))
	session, err := store.Get(r, "app")
	require.NoError(t, err)
	session.Options.MaxAge = -1
	w := httptest.NewRecorder()
	require.NoError(t, session.Save(r, w))
	// gorilla's own store sends the values along.
	assert.Equal(t, []string{"app=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax"}, w.Header()["Set-Cookie"])
	assert.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	assert.Equal(t, []string{"Cookie"}, w.Header()["Vary"])
}

func TestACookieThatBrowsersWouldDropIsAnErrorAndSetsNothing(t *testing.T) {
	store := site.NewStore(t, ecgridsession.CookieStoreConfig{})
	r := requestWith(nil)
	session, err := store.New(r, "apps") // with 4 bytes of name the limit can be met exactly
	require.NoError(t, err)
	longest, tooLarge := 0, 0
	for n := 2900; n < 3100; n++ {
		session.Values["k"] = strings.Repeat("x", n)
		w := httptest.NewRecorder()
		if err := session.Save(r, w); err != nil {
			tooLarge++
			require.ErrorIs(t, err, ecgridsession.ErrSessionTooLarge)
			require.Empty(t, w.Header())
			continue
		}
		require.Zero(t, tooLarge, "once too large, always too large")
		cookie := w.Result().Cookies()[0]
		longest = len(cookie.Name) + len(cookie.Value)
		again, err := store.New(requestWith(w), "apps")
		require.NoError(t, err)
		require.Equal(t, session.Values, again.Values, "what fits comes back")
	}
	assert.Equal(t, 4096, longest)
	assert.NotZero(t, tooLarge)
}

func TestTheStoreRefusesAnOverlongCookieBeforeItIsDecoded(t *testing.T) {
	store := site.NewStore(t, ecgridsession.CookieStoreConfig{})
	good := saved(t, store, "app", 1).Result().Cookies()[0].Value
	r := requestWith(nil)
	r.Header.Set("Cookie", "app="+good+strings.Repeat("A", 1<<19))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := store.New(r, "app")
	runtime.ReadMemStats(&after)
	require.Error(t, err)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(100<<10))
}

func TestMaxAgeIsEnforcedOnReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limited := site.NewStore(t, ecgridsession.CookieStoreConfig{Options: sessions.Options{MaxAge: 60}})
		browserSession := site.NewStore(t, ecgridsession.CookieStoreConfig{})
		w, forever := saved(t, limited, "app", 1), saved(t, browserSession, "app", 1)
		assert.Contains(t, w.Header().Get("Set-Cookie"), "; Max-Age=60;")
		time.Sleep(time.Minute)
		_, err := limited.New(requestWith(w), "app")
		require.NoError(t, err)
		time.Sleep(time.Second)
		session, err := limited.New(requestWith(w), "app")
		require.Error(t, err, "a browser may keep it, or a thief")
		assert.True(t, session.IsNew)
		assert.Empty(t, session.Values)
		time.Sleep(365 * 24 * time.Hour)
		_, err = browserSession.New(requestWith(forever), "app")
		assert.NoError(t, err, "without MaxAge there is no limit")
	})
}
