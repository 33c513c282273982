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

// idleEnd is what an answer of /session says of the idle limit.
func idleEnd(t *testing.T, got site.Answer) time.Time {
	t.Helper()
	require.Equal(t, http.StatusOK, got.StatusCode, got.Text)
	var info struct {
		Authenticated bool
		IdleEndsAt    time.Time
	}
	require.NoError(t, json.Unmarshal([]byte(got.Text), &info))
	require.True(t, info.Authenticated)
	return info.IdleEndsAt
}

// requireIdleEnd wants the session to be open until then and closed after it.
func requireIdleEnd(t *testing.T, s *site.Site, v *site.Visitor, end time.Time) {
	t.Helper()
	time.Sleep(time.Until(end))
	require.Equal(t, http.StatusOK, v.Get(s, "/session").StatusCode, "still within the limit")
	time.Sleep(time.Second)
	require.Equal(t, http.StatusUnauthorized, v.Get(s, "/session").StatusCode, "the limit has passed")
}

func TestAPOSTToSessionProlongsTheSession(t *testing.T) {
	site.EachKind(t, func(t *testing.T, s *site.Site, v *site.Visitor) {
		for _, pause := range []time.Duration{time.Second, 29 * time.Minute, 2 * time.Minute, 28 * time.Minute} {
			time.Sleep(pause)
			got := v.Post(s, "/session", site.FetchCall...)
			assert.Len(t, got.SessionCookies(), 1)
			assert.Equal(t, []string{"no-store"}, got.Header["Cache-Control"])
			assert.WithinDuration(t, time.Now().Add(30*time.Minute), idleEnd(t, got), time.Millisecond, "the new end")
			assert.Equal(t, idleEnd(t, got), idleEnd(t, v.Get(s, "/session")), "and asking says the same")
		}
		requireIdleEnd(t, s, v, idleEnd(t, v.Get(s, "/session")))
	})
}

func TestTheIdleEndIsTheOneThatIsEnforced(t *testing.T) {
	for name, use := range map[string]time.Duration{
		"right after the sign-in":           0,
		"before a tenth of the limit":       2 * time.Minute,
		"after a tenth of the limit":        4 * time.Minute,
		"shortly before the end":            29 * time.Minute,
		"at the very end":                   30 * time.Minute,
		"when the token has been refreshed": site.UntilDue,
	} {
		t.Run(name, func(t *testing.T) {
			site.EachKind(t, func(t *testing.T, s *site.Site, v *site.Visitor) {
				var seen ecgridsession.Session
				s.Mux.HandleFunc("/use", func(_ http.ResponseWriter, r *http.Request) {
					if use == site.UntilDue {
						s.Middleware.Credential(r.Context()) // refreshes the token
					}
					seen, _ = s.Middleware.Session(r.Context())
				})
				time.Sleep(use)
				v.Get(s, "/use", site.Click...)
				assert.Equal(t, idleEnd(t, v.Get(s, "/session")), seen.IdleEndsAt, "the page knows what its answer does")
				requireIdleEnd(t, s, v, seen.IdleEndsAt)
			})
		})
	}
}

func TestAskingAndImagesMoveNoIdleEnd(t *testing.T) {
	site.EachKind(t, func(t *testing.T, s *site.Site, v *site.Visitor) {
		var inImage ecgridsession.Session
		s.Mux.HandleFunc("/image", func(_ http.ResponseWriter, r *http.Request) {
			inImage, _ = s.Middleware.Session(r.Context())
		})
		want := idleEnd(t, v.Get(s, "/session"))
		time.Sleep(20 * time.Minute)
		v.Get(s, "/image", "Sec-Fetch-Dest", "image", "Sec-Fetch-Mode", "no-cors")
		assert.Equal(t, want, inImage.IdleEndsAt)
		assert.Equal(t, want, idleEnd(t, v.Get(s, "/session")))
		requireIdleEnd(t, s, v, want)
	})
}

func TestTheIdleEndIsNeverAfterTheAbsoluteEnd(t *testing.T) {
	site.InBubble(t, func(t *testing.T, s *site.Site) {
		v := s.SignInByKey(site.Demo)
		end := s.Events.Of(ecgridsession.SessionStarted)[0].Session.EndsAt
		for time.Until(end) > 20*time.Minute {
			time.Sleep(20 * time.Minute)
			v.Post(s, "/session")
		}
		assert.Equal(t, end, idleEnd(t, v.Get(s, "/session")))
		assert.Equal(t, end, idleEnd(t, v.Post(s, "/session")))
		time.Sleep(time.Until(end))
		assert.Equal(t, http.StatusUnauthorized, v.Post(s, "/session").StatusCode)
	})
}

func TestAnotherSiteCannotProlongTheSession(t *testing.T) {
	site.InBubble(t, func(t *testing.T, s *site.Site) {
		v := s.SignInByKey(site.Demo)
		want := idleEnd(t, v.Get(s, "/session"))
		time.Sleep(20 * time.Minute)
		for _, header := range [][]string{site.CrossSite, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}} {
			got := v.Post(s, "/session", header...)
			assert.Equal(t, http.StatusForbidden, got.StatusCode)
			site.RequireNoCookie(t, got)
		}
		requireIdleEnd(t, s, v, want)
	})
}

func TestWithoutASessionThereIsNothingToProlong(t *testing.T) {
	site.InBubble(t, func(t *testing.T, s *site.Site) {
		signedOut, idle := s.SignIn(site.Demo), s.SignInByKey(site.Demo)
		thief := signedOut.Copy()
		require.Equal(t, http.StatusSeeOther, signedOut.Post(s, "/logout").StatusCode)
		time.Sleep(30*time.Minute + time.Second)
		for name, v := range map[string]*site.Visitor{
			"no cookie": {}, "garbage": {Cookie: "x"}, "signed out": thief, "idle": idle,
		} {
			got := v.Post(s, "/session", site.FetchCall...)
			assert.Equal(t, http.StatusUnauthorized, got.StatusCode, name)
			assert.JSONEq(t, `{"authenticated":false}`, got.Text, name)
			site.RequireNoCookie(t, got)
		}
	})
}

func TestAPOSTToSessionWorksOutsideOfWrap(t *testing.T) {
	site.InBubble(t, func(t *testing.T, s *site.Site) {
		v := s.SignIn(site.Demo)
		time.Sleep(20 * time.Minute)
		bare := *s
		bare.Handler = s.Middleware.SessionHandler()
		got := v.Post(&bare, "/session")
		assert.Len(t, got.SessionCookies(), 1)
		assert.WithinDuration(t, time.Now().Add(30*time.Minute), idleEnd(t, got), time.Millisecond)
		requireIdleEnd(t, s, v, idleEnd(t, got))
	})
}

func TestAPOSTToSessionDuringAnOutageOfTheLedgerSaysSo(t *testing.T) {
	ledger := site.NewLedger()
	s := site.New(t, site.With(func(cfg *ecgridsession.Config) { cfg.Ledger = ledger }))
	b := s.Browser().SignInByKey()
	ledger.RefuseAll()
	defer ledger.Recover()
	r := httptest.NewRequest(http.MethodPost, "/session", nil)
	r.AddCookie(b.Cookie())
	w := httptest.NewRecorder()
	s.Handler.ServeHTTP(w, r)
	assert.Equal(t, http.StatusServiceUnavailable, w.Code)
	assert.NotEmpty(t, w.Header().Get("Retry-After"))
	assert.NotContains(t, w.Header(), "Set-Cookie")
}
