package tests

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
)

func TestThePagesScriptsLearnWhoIsSignedInAndForHowLong(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		got := b.get("/session", fetchCall...)
		assert.Equal(t, http.StatusOK, got.StatusCode)
		assert.Equal(t, "application/json", got.Header.Get("Content-Type"))
		assert.Equal(t, "nosniff", got.Header.Get("X-Content-Type-Options"))
		assert.Equal(t, []string{"Cookie"}, got.Header["Vary"])
		requireNoCookie(t, got)

		var info map[string]any
		require.NoError(t, json.Unmarshal([]byte(got.body), &info))
		started := s.events.of(ecgridsession.SessionStarted)[0].Session
		want := map[string]any{
			"authenticated": true,
			"ref":           started.Ref,
			"userId":        float64(demo.ID),
			"login":         demo.Login,
			"apiKey":        started.APIKey,
			"startedAt":     started.StartedAt.Format(time.RFC3339Nano),
			"endsAt":        started.StartedAt.Add(8 * time.Hour).Format(time.RFC3339Nano),
			"logoutUrl":     "/logout",
		}
		if !started.APIKey {
			want["tokenExpiresAt"] = started.TokenExpiresAt.Format(time.RFC3339Nano)
		}
		assert.Equal(t, want, info)

		head := b.do(http.MethodHead, "/session", nil, fetchCall...)
		assert.Equal(t, http.StatusOK, head.StatusCode)
		assert.Empty(t, head.body)
	})
}

func TestThePagesScriptsLearnThatNobodyIsSignedIn(t *testing.T) {
	overBoth(t, func(t *testing.T, s *site, b *browser) {
		for name, header := range map[string][]string{
			"no cookie":            fetchCall,
			"one that is not ours": append([]string{"Cookie", "__Host-ecgrid=x"}, fetchCall...),
		} {
			got := b.get("/session", header...)
			assert.Equal(t, http.StatusUnauthorized, got.StatusCode, name)
			assert.JSONEq(t, `{"authenticated":false}`, got.body, name)
			assert.Equal(t, []string{"Cookie"}, got.Header["Vary"])
			requireNoCookie(t, got)
		}
	})
}

func TestAskingForTheSessionDoesNotProlongIt(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		clock := s.clockOf()
		for minutes := 5; minutes <= 25; minutes += 5 {
			clock.advance(5 * time.Minute)
			got := b.get("/session", fetchCall...)
			require.Equal(t, http.StatusOK, got.StatusCode)
			if minutes < 13 { // later a newer token comes by cookie
				requireNoCookie(t, got)
			}
		}
		clock.advance(6 * time.Minute)
		assert.Equal(t, http.StatusUnauthorized, b.get("/session", fetchCall...).StatusCode, "idle for 31 minutes, whoever polled")
	})
}

func TestAnyOtherRequestProlongsTheSession(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		clock := s.clockOf()
		for range 10 {
			clock.advance(29 * time.Minute)
			require.Equal(t, "user demo", b.get("/").body)
		}
	})
}

func TestAPartOfAPageNeverCarriesTheCookie(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		s.overdue(b)
		for _, dest := range []string{"image", "style", "script", "font", "worker", "serviceworker", "a-part-of-tomorrow"} {
			got := b.get("/", "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Dest", dest)
			assert.Equal(t, "user demo", got.body)
			assert.NotContains(t, got.Header, "Set-Cookie", "a shared cache may keep %s", dest)
		}
	})
}

func TestAskingStillBringsACookieOfTheNewKey(t *testing.T) {
	old := newSite(t)
	b := old.browser().signIn()
	ledger := ecgridsession.NewMemoryLedger()
	rotated := newSite(t, func(cfg *ecgridsession.Config) {
		cfg.Keys, cfg.Upstream, cfg.Ledger = [][]byte{randomKey(t), old.key}, old.grid.URL, ledger
	})
	c := b.withCookie(rotated)
	got := c.get("/session", fetchCall...)
	assert.Equal(t, http.StatusOK, got.StatusCode)
	assert.Len(t, got.sessionCookies(), 1)
	assert.Equal(t, []string{"no-store"}, got.Header["Cache-Control"])
}

func TestSessionTakesGETAndHEADOnly(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		s.overdue(b)
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, http.MethodTrace} {
			got := b.do(method, "/session", nil)
			assert.Equal(t, http.StatusMethodNotAllowed, got.StatusCode)
			assert.Equal(t, []string{"GET, HEAD"}, got.Header["Allow"])
			requireNoCookie(t, got)
		}
	})
}

func TestSessionWorksOutsideOfWrapAndNamesTheAppsLogoutURL(t *testing.T) {
	s := newSite(t, func(cfg *ecgridsession.Config) { cfg.LogoutURL = "/auth/out" })
	b := s.browser().signIn()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.AddCookie(b.cookie())
	w := httptest.NewRecorder()
	s.m.SessionHandler().ServeHTTP(w, r)
	assert.Equal(t, http.StatusOK, w.Code)
	assert.Contains(t, w.Body.String(), `"logoutUrl":"/auth/out"`)
	assert.NotContains(t, w.Header(), "Set-Cookie")
}
