package requests

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

func TestThePagesScriptsLearnWhoIsSignedInAndForHowLong(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		got := b.Get("/session", site.FetchCall...)
		assert.Equal(t, http.StatusOK, got.StatusCode)
		assert.Equal(t, "application/json", got.Header.Get("Content-Type"))
		assert.Equal(t, "nosniff", got.Header.Get("X-Content-Type-Options"))
		assert.Equal(t, []string{"Cookie"}, got.Header["Vary"])
		site.RequireNoCookie(t, got)

		var info map[string]any
		require.NoError(t, json.Unmarshal([]byte(got.Text), &info))
		started := s.Events.Of(ecgridsession.SessionStarted)[0].Session
		want := map[string]any{
			"authenticated": true,
			"ref":           started.Ref,
			"userId":        float64(site.Demo.ID),
			"login":         site.Demo.Login,
			"apiKey":        started.APIKey,
			"startedAt":     started.StartedAt.Format(time.RFC3339Nano),
			"endsAt":        started.StartedAt.Add(8 * time.Hour).Format(time.RFC3339Nano),
			"idleEndsAt":    started.StartedAt.Add(30 * time.Minute).Format(time.RFC3339Nano),
			"logoutUrl":     "/logout",
		}
		if !started.APIKey {
			want["tokenExpiresAt"] = started.TokenExpiresAt.Format(time.RFC3339Nano)
		}
		assert.Equal(t, want, info)

		head := b.Do(http.MethodHead, "/session", nil, site.FetchCall...)
		assert.Equal(t, http.StatusOK, head.StatusCode)
		assert.Empty(t, head.Text)
	})
}

func TestThePagesScriptsLearnThatNobodyIsSignedIn(t *testing.T) {
	site.OverBoth(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		for name, header := range map[string][]string{
			"no cookie":            site.FetchCall,
			"one that is not ours": append([]string{"Cookie", "__Host-ecgrid=x"}, site.FetchCall...),
		} {
			got := b.Get("/session", header...)
			assert.Equal(t, http.StatusUnauthorized, got.StatusCode, name)
			assert.JSONEq(t, `{"authenticated":false}`, got.Text, name)
			assert.Equal(t, []string{"Cookie"}, got.Header["Vary"])
			site.RequireNoCookie(t, got)
		}
	})
}

func TestAskingForTheSessionDoesNotProlongIt(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		for minutes := 5; minutes <= 25; minutes += 5 {
			b.Age(5 * time.Minute)
			got := b.Get("/session", site.FetchCall...)
			require.Equal(t, http.StatusOK, got.StatusCode)
			if minutes < 13 { // later a newer token comes by cookie
				site.RequireNoCookie(t, got)
			}
		}
		b.Age(6 * time.Minute)
		assert.Equal(t, http.StatusUnauthorized, b.Get("/session", site.FetchCall...).StatusCode, "idle for 31 minutes, whoever polled")
	})
}

func TestAnyOtherRequestProlongsTheSession(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		for range 10 {
			b.Age(29 * time.Minute)
			require.Equal(t, "user demo", b.Get("/").Text)
		}
	})
}

func TestAPartOfAPageNeverCarriesTheCookie(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		s.Overdue(b)
		for _, dest := range []string{"image", "style", "script", "font", "worker", "serviceworker", "a-part-of-tomorrow"} {
			got := b.Get("/", "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Dest", dest)
			assert.Equal(t, "user demo", got.Text)
			assert.NotContains(t, got.Header, "Set-Cookie", "a shared cache may keep %s", dest)
		}
	})
}

func TestAskingStillBringsACookieOfTheNewKey(t *testing.T) {
	old := site.New(t)
	b := old.Browser().SignIn()
	ledger := ecgridsession.NewMemoryLedger()
	rotated := site.New(t, site.With(func(cfg *ecgridsession.Config) {
		cfg.Keys, cfg.Upstream, cfg.Ledger = [][]byte{site.NewKey(t), old.Key}, old.Grid.URL, ledger
	}))
	c := b.WithCookie(rotated)
	got := c.Get("/session", site.FetchCall...)
	assert.Equal(t, http.StatusOK, got.StatusCode)
	assert.Len(t, got.SessionCookies(), 1)
	assert.Equal(t, []string{"no-store"}, got.Header["Cache-Control"])
}

func TestSessionTakesGETHEADAndPOSTOnly(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		s.Overdue(b)
		for _, method := range []string{http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, http.MethodTrace} {
			got := b.Do(method, "/session", nil)
			assert.Equal(t, http.StatusMethodNotAllowed, got.StatusCode)
			assert.Equal(t, []string{"GET, HEAD, POST"}, got.Header["Allow"])
			site.RequireNoCookie(t, got)
		}
	})
}

func TestSessionWorksOutsideOfWrapAndNamesTheAppsLogoutURL(t *testing.T) {
	s := site.New(t, site.With(func(cfg *ecgridsession.Config) { cfg.LogoutURL = "/auth/out" }))
	b := s.Browser().SignIn()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.AddCookie(b.Cookie())
	w := httptest.NewRecorder()
	s.Middleware.SessionHandler().ServeHTTP(w, r)
	assert.Equal(t, http.StatusOK, w.Code)
	assert.Contains(t, w.Body.String(), `"logoutUrl":"/auth/out"`)
	assert.NotContains(t, w.Header(), "Set-Cookie")
}
