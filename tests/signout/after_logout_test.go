package signout

import (
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

func TestNoCopyOfTheCookieOpensASignedOutSessionOnAnyReplica(t *testing.T) {
	for _, kind := range []string{"bearer", "bearer in the ledger", "API key"} {
		t.Run(kind, func(t *testing.T) {
			long := func(cfg *ecgridsession.Config) {
				cfg.IdleTimeout, cfg.Lifetime = 8*time.Hour, 8*time.Hour
				cfg.CredentialInLedger = kind == "bearer in the ledger"
			}
			here := site.New(t, site.With(long))
			there := here.Replica()

			b := here.Browser()
			if kind == "API key" {
				b.SignInByKey()
			} else {
				b.SignIn()
			}
			// The browser's cookie as it was at each of three moments.
			var copies []*site.Browser
			values := map[string]bool{}
			age := func(d time.Duration) {
				for _, c := range copies {
					c.Age(d)
				}
			}
			for range 3 {
				copies = append(copies, b.WithCookie(here), b.WithCookie(there))
				values[b.Cookie().Value] = true
				age(time.Hour)
				b.Age(time.Hour)
				require.True(t, b.SignedIn())
				b.Get("/") // SessionHandler alone does not prolong
			}
			require.Len(t, values, 3)
			for _, c := range copies {
				require.True(t, c.SignedIn())
			}
			b.Post("/logout", nil)
			for range 2 {
				for _, c := range copies {
					site.RequireAnonymous(t, c.Site, c)
				}
				age(5*time.Hour - time.Minute) // a minute before the absolute end
			}
		})
	}
}

func TestTheLedgerIsAskedToRememberAnEndUntilNoReplicaOpensTheCookie(t *testing.T) {
	ledger := site.NewOpenLedger()
	s := site.New(t, site.With(func(cfg *ecgridsession.Config) { cfg.Ledger = ledger }))
	b := s.Browser().SignIn()
	b.Age(20 * time.Minute)
	b.Post("/logout", nil)
	ttls := ledger.TimesToLive()
	require.Len(t, ttls, 1)
	const left = 8*time.Hour - 20*time.Minute + 5*time.Minute // clocks of replicas differ
	assert.InDelta(t, left.Seconds(), ttls[0].Seconds(), 60)
}

func TestWhatTheLedgerHasLostSignsOutHereOrAtECGrid(t *testing.T) {
	t.Run("an API key's session is signed out", func(t *testing.T) {
		ledger := site.NewOpenLedger()
		s := site.New(t, site.With(func(cfg *ecgridsession.Config) { cfg.Ledger = ledger }))
		b := s.Browser().SignInByKey()
		ledger.Lose()
		site.RequireAnonymous(t, s, b)
		assert.True(t, b.SignInByKey().SignedIn())
	})
	t.Run("so is a bearer token's that was kept there", func(t *testing.T) {
		ledger := site.NewOpenLedger()
		s := site.New(t, site.With(func(cfg *ecgridsession.Config) { cfg.Ledger, cfg.CredentialInLedger = ledger, true }))
		b := s.Browser().SignIn()
		ledger.Lose()
		site.RequireAnonymous(t, s, b)
	})
	t.Run("signing out of what was lost works", func(t *testing.T) {
		ledger := site.NewOpenLedger()
		s := site.New(t, site.With(func(cfg *ecgridsession.Config) { cfg.Ledger = ledger }))
		b := s.Browser().SignInByKey()
		ledger.Lose()
		got := b.Post("/logout", nil)
		assert.Equal(t, http.StatusSeeOther, got.StatusCode)
		site.RequireDeletion(t, got)
		assert.Empty(t, s.Events.Of(ecgridsession.LoggedOut))
	})
	t.Run("a bearer session in the cookie that had ended is ended again by ECGrid's 401", func(t *testing.T) {
		ledger := site.NewOpenLedger()
		s := site.New(t, site.With(func(cfg *ecgridsession.Config) { cfg.Ledger = ledger }))
		b := s.Browser().SignIn()
		copied := b.WithCookie(s)
		b.Post("/logout", nil)
		ledger.Lose()
		assert.Equal(t, http.StatusUnauthorized, copied.Get("/inbox").StatusCode, "ECGrid's own word, passed on")
		site.RequireAnonymous(t, s, copied)
		require.Len(t, s.Events.Of(ecgridsession.SessionEnded), 1)
	})
}

func TestSigningInAgainEndsTheSessionThatWasThere(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		before := s.Events.Of(ecgridsession.SessionStarted)[0].Session
		old := b.WithCookie(s)
		got := b.Post("/login", url.Values{"login": {site.Demo.Login}, "password": {site.Demo.Password}})
		require.Equal(t, http.StatusSeeOther, got.StatusCode)
		require.Len(t, got.Header["Set-Cookie"], 1)
		require.NoError(t, s.Middleware.Close(t.Context()), "the background has revoked the old token")

		after := s.Events.Of(ecgridsession.SessionStarted)[1].Session
		assert.NotEqual(t, before.Ref, after.Ref, "a new session id")
		assert.True(t, b.SignedIn())
		require.NoError(t, s.Middleware.Close(t.Context()))
		site.RequireAnonymous(t, s, old)
		ended := s.Events.Of(ecgridsession.SessionEnded)
		require.Len(t, ended, 1)
		assert.Equal(t, before.Ref, ended[0].Session.Ref)
		assert.Len(t, s.Grid.Calls(site.LogoutCall), 1)
		assert.Equal(t, 1, s.Grid.LiveTokens(site.Demo.ID), "the new one")
		assert.Equal(t, http.StatusOK, b.Get("/inbox").StatusCode)
	})
}

func TestSigningInAgainOnAnotherReplicaEndsTheSessionThatWasThere(t *testing.T) {
	site.EachKind(t, func(t *testing.T, r *site.Site, v *site.Visitor) {
		for name, form := range site.Forms {
			other, old := r.Replica(), v.Copy()
			require.Equal(t, "user demo", old.Copy().Get(other, "/").Text)
			got := v.SendForm(t.Context(), other, http.MethodPost, "/login", form)
			require.Equal(t, http.StatusSeeOther, got.StatusCode, name)
			synctest.Wait() // the background revokes the old token

			before := len(r.Grid.Calls(""))
			for _, at := range []*site.Site{r, other} {
				assert.Equal(t, "anonymous", old.Copy().Get(at, "/").Text, name)
				assert.Equal(t, "user demo", v.Copy().Get(at, "/").Text, name)
			}
			assert.Len(t, r.Grid.Calls(""), before, "ECGrid is not asked")
			assert.Equal(t, map[string]int{"password": 1, "API key": 0}[name], r.Grid.LiveTokens(site.Demo.ID), name)
			ended := other.Events.Of(ecgridsession.SessionEnded)
			require.Len(t, ended, 1, name)
			assert.NotEqual(t, ended[0].Session.Ref, other.Events.Of(ecgridsession.SessionStarted)[0].Session.Ref, "a new session id")
		}
	})
}

func TestASignInThatFailsLeavesTheSessionThatWasThere(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		got := b.Post("/login", url.Values{"login": {site.Demo.Login}, "password": {"wrong"}})
		require.Equal(t, http.StatusUnauthorized, got.StatusCode)
		site.RequireNoCookie(t, got)
		assert.True(t, b.SignedIn())
		assert.Equal(t, http.StatusOK, b.Get("/inbox").StatusCode)
		assert.Empty(t, s.Events.Of(ecgridsession.SessionEnded))
	})
}

func TestStartingAgainWithTheSameTokenDoesNotRevokeIt(t *testing.T) {
	s := site.New(t)
	credential := s.Grid.Issue(site.Demo.ID)
	s.Mux.HandleFunc("/start", func(w http.ResponseWriter, r *http.Request) {
		_, err := s.Middleware.Start(w, r, credential)
		assert.NoError(t, err)
	})
	b := s.Browser()
	b.Post("/start", nil)
	old := b.WithCookie(s)
	b.Post("/start", nil)
	require.NoError(t, s.Middleware.Close(t.Context()))
	site.RequireAnonymous(t, s, old)
	assert.Empty(t, s.Grid.Calls(site.LogoutCall))
	assert.Equal(t, http.StatusOK, b.Get("/inbox").StatusCode)
}

func TestAnEndedSessionsCookieIsDeletedOnTheWayToSignInAlone(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		stale := b.WithCookie(s)
		b.Post("/logout", nil)
		for name, c := range map[string]struct {
			header  []string
			deleted bool
		}{
			"a poller, whose answer may come after the next sign-in": {site.FetchCall, false},
			"an image":                            {[]string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"}, false},
			"a frame":                             {[]string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}, true},
			"a service worker":                    {[]string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Dest", "serviceworker"}, false},
			"a navigation":                        {site.Click, true},
			"no Fetch Metadata":                   {nil, false},
			"a client from before Fetch Metadata": {[]string{"Accept", "text/html"}, true},
			"a link on other site":                {site.CrossSite, true},
		} {
			t.Run(name, func(t *testing.T) {
				copied := stale.WithCookie(s)
				for _, path := range []string{"/", "/session"} {
					assert.NotContains(t, copied.WithCookie(s).Get(path, c.header...).Header, "Set-Cookie", path)
				}
				got := copied.WithCookie(s).Get("/private", c.header...)
				if c.deleted {
					site.RequireDeletion(t, got)
					assert.Equal(t, []string{"Cookie"}, got.Header["Vary"])
				} else {
					assert.NotContains(t, got.Header, "Set-Cookie")
				}
				site.RequireDeletion(t, copied.WithCookie(s).Get("/login", c.header...))
			})
		}
	})
}

func TestOfTwoSignInsInOneRequestTheFirstIsRevoked(t *testing.T) {
	s := site.New(t)
	s.Mux.HandleFunc("POST /two", func(w http.ResponseWriter, r *http.Request) {
		for range 2 {
			_, err := s.Middleware.Login(w, r, site.Demo.Login, site.Demo.Password)
			assert.NoError(t, err)
		}
	})
	s.Grid.SetTokenTTL(24 * time.Hour)
	b := s.Browser().SignIn()
	require.Equal(t, 1, s.Grid.LiveTokens(site.Demo.ID))
	b.Age(31 * time.Minute) // the cookie it comes with is idle
	b.Post("/two", nil)
	require.NoError(t, s.Middleware.Close(t.Context()))
	assert.Equal(t, 2, s.Grid.LiveTokens(site.Demo.ID), "the idle one, which is left alone, and the last")
}
