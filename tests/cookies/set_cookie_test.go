package cookies

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/gorilla/sessions"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// TestTheCookieLinesToTheLetter pins what browsers see. Chromium ignores the
// deletion of a "__Host-" cookie that lacks one of its attributes.
func TestTheCookieLinesToTheLetter(t *testing.T) {
	for name, c := range map[string]struct {
		change   func(*ecgridsession.Config)
		set, del string
	}{
		"default": {
			func(*ecgridsession.Config) {},
			`__Host-ecgrid=[\w-]+; Path=/; HttpOnly; Secure; SameSite=Lax`,
			`__Host-ecgrid=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax`,
		},
		"strict": {
			func(c *ecgridsession.Config) { c.SameSite = http.SameSiteStrictMode },
			`__Host-ecgrid=[\w-]+; Path=/; HttpOnly; Secure; SameSite=Strict`,
			`__Host-ecgrid=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Strict`,
		},
		"other name": {
			func(c *ecgridsession.Config) { c.CookieName = "__Host-crm" },
			`__Host-crm=[\w-]+; Path=/; HttpOnly; Secure; SameSite=Lax`,
			`__Host-crm=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax`,
		},
		"development": {
			func(c *ecgridsession.Config) { c.InsecureCookie = true },
			`ecgrid-dev=[\w-]+; Path=/; HttpOnly; SameSite=Lax`,
			`ecgrid-dev=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax`,
		},
		"gorilla's cookie store": {
			func(c *ecgridsession.Config) { c.Store = sessions.NewCookieStore(site.NewKey(t)) },
			`__Host-ecgrid=[\w=-]+; Path=/; Expires=[\w:, ]+ GMT; Max-Age=28800; HttpOnly; Secure; SameSite=Lax`,
			`__Host-ecgrid=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax`,
		},
		"gorilla's filesystem store": {
			func(c *ecgridsession.Config) { c.Store = sessions.NewFilesystemStore(t.TempDir(), site.NewKey(t)) },
			`__Host-ecgrid=[\w=-]+; Path=/; Expires=[\w:, ]+ GMT; Max-Age=28800; HttpOnly; Secure; SameSite=Lax`,
			`__Host-ecgrid=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := site.New(t, site.With(c.change))
			w := httptest.NewRecorder()
			_, err := s.Middleware.Start(w, httptest.NewRequest(http.MethodPost, "/login", nil), s.Grid.Issue(site.Demo.ID))
			require.NoError(t, err)
			require.Len(t, w.Header()["Set-Cookie"], 1)
			set := w.Header()["Set-Cookie"][0]
			assert.Regexp(t, regexp.MustCompile("^"+c.set+"$"), set)
			assert.Equal(t, "no-store", w.Header().Get("Cache-Control"))
			assert.Equal(t, []string{"Cookie"}, w.Header()["Vary"])

			pair, _, _ := strings.Cut(set, ";")
			r := httptest.NewRequest(http.MethodPost, "/logout", nil)
			r.Header.Set("Cookie", pair)
			w = httptest.NewRecorder()
			outcome, err := s.Middleware.Logout(w, r)
			require.NoError(t, err)
			assert.Equal(t, ecgridsession.LogoutConfirmed, outcome)
			assert.Equal(t, []string{c.del}, w.Header()["Set-Cookie"])
			assert.Equal(t, "no-store", w.Header().Get("Cache-Control"))
			assert.Equal(t, []string{"Cookie"}, w.Header()["Vary"])
		})
	}
}

func TestWhatTheAppSetsBesideTheSessionCookieStays(t *testing.T) {
	s := site.New(t)
	cookie := s.CookieOf("bearer")
	w := httptest.NewRecorder()
	w.Header()["Set-Cookie"] = []string{"__Host-ecgrid=stale; Path=/", "theme=dark", "__Host-ecgrid2=x", "__Host-ecgrid=stale2"}
	w.Header()["Vary"] = []string{"Accept-Encoding, cookie"}
	r := httptest.NewRequest(http.MethodPost, "/logout", nil)
	r.Header.Set("Cookie", site.Sent(cookie))
	_, err := s.Middleware.Logout(w, r)
	require.NoError(t, err)
	assert.Equal(t, []string{"theme=dark", "__Host-ecgrid2=x", site.Deletion}, w.Header()["Set-Cookie"])
	assert.Equal(t, []string{"Accept-Encoding, cookie"}, w.Header()["Vary"], "it varies by the cookie already")
}

func TestNoCookieIsSetWhereNothingHasChanged(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		got := b.Get("/", site.Click...)
		assert.Equal(t, "user demo", got.Text)
		assert.Empty(t, got.Header["Set-Cookie"])
		assert.Empty(t, got.Header["Cache-Control"])
		assert.Empty(t, got.Header["Vary"])
	})
}

func TestASubresourceGetsNoCookieAtAll(t *testing.T) {
	site.BothKinds(t, func(t *testing.T, s *site.Site, cookie string) {
		cut := site.Sent(cookie[:40])
		for _, dest := range []string{"image", "script", "style", "font", "object", "worker", "video", "unheard-of"} {
			w := s.Visit([]string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", dest}, cut)
			assert.Empty(t, w.Header()["Set-Cookie"], dest)
		}
		w := s.Visit(site.FetchCall, cut)
		assert.Empty(t, w.Header()["Set-Cookie"], "a late answer to a script must not delete the cookie of a new sign-in")
		w = s.Visit(nil, cut)
		assert.Empty(t, w.Header()["Set-Cookie"], "a public page, whose late answer must not do so either")
	})
}
