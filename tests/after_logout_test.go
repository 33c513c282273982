package tests

import (
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
)

// replica starts another process of the same app: same keys, ECGrid and ledger.
func (s *site) replica(ledger ecgridsession.Ledger, changes ...func(*ecgridsession.Config)) *site {
	s.t.Helper()
	other := newSite(s.t, append(changes, func(cfg *ecgridsession.Config) {
		cfg.Keys, cfg.Upstream, cfg.Ledger = [][]byte{s.key}, s.grid.URL, ledger
	})...)
	other.grid = s.grid
	return other
}

// requireAnonymous wants the site to treat the browser's cookie as nothing,
// and to find that out by itself.
func requireAnonymous(t *testing.T, s *site, b *browser) {
	t.Helper()
	before := len(s.grid.Calls(""))
	require.Equal(t, "anonymous", b.get("/", fetchCall...).body)
	require.Equal(t, http.StatusUnauthorized, b.get("/inbox", fetchCall...).StatusCode)
	require.Equal(t, http.StatusUnauthorized, b.get("/private", fetchCall...).StatusCode)
	require.Equal(t, http.StatusUnauthorized, b.get("/session", fetchCall...).StatusCode)
	require.Len(t, s.grid.Calls(""), before, "known before any call to ECGrid")
}

func TestNoCopyOfTheCookieOpensASignedOutSessionOnAnyReplica(t *testing.T) {
	for _, kind := range []string{"bearer", "bearer in the ledger", "API key"} {
		t.Run(kind, func(t *testing.T) {
			ledger := ecgridsession.NewMemoryLedger()
			long := func(cfg *ecgridsession.Config) {
				cfg.Ledger = ledger
				cfg.IdleTimeout, cfg.Lifetime = 8*time.Hour, 8*time.Hour
				cfg.CredentialInLedger = kind == "bearer in the ledger"
			}
			here := newSite(t, long)
			clock := here.clockOf()
			there := here.replica(ledger, long)
			setNow(there.m, clock.now)

			b := here.browser()
			if kind == "API key" {
				b.signInByKey()
			} else {
				b.signIn()
			}
			// The browser's cookie as it was at each of three moments.
			var copies []*browser
			values := map[string]bool{}
			for range 3 {
				copies = append(copies, b.withCookie(here), b.withCookie(there))
				values[b.cookie().Value] = true
				clock.advance(time.Hour)
				require.True(t, b.signedIn())
				b.get("/") // SessionHandler alone does not prolong
			}
			require.Len(t, values, 3)
			for _, c := range copies {
				require.True(t, c.signedIn())
			}
			b.post("/logout", nil)
			for range 2 {
				for _, c := range copies {
					requireAnonymous(t, c.site, c)
				}
				clock.advance(5*time.Hour - time.Minute) // a minute before the absolute end
			}
		})
	}
}

func TestTheLedgerIsAskedToRememberAnEndUntilNoReplicaOpensTheCookie(t *testing.T) {
	ledger := newOpenLedger()
	s := newSite(t, func(cfg *ecgridsession.Config) { cfg.Ledger = ledger })
	clock := s.clockOf()
	b := s.browser().signIn()
	clock.advance(20 * time.Minute)
	b.post("/logout", nil)
	ttls := ledger.timesToLive()
	require.Len(t, ttls, 1)
	const left = 8*time.Hour - 20*time.Minute + 5*time.Minute // clocks of replicas differ
	assert.InDelta(t, left.Seconds(), ttls[0].Seconds(), 60)
}

func TestWhatTheLedgerHasLostSignsOutHereOrAtECGrid(t *testing.T) {
	t.Run("an API key's session is signed out", func(t *testing.T) {
		ledger := newOpenLedger()
		s := newSite(t, func(cfg *ecgridsession.Config) { cfg.Ledger = ledger })
		b := s.browser().signInByKey()
		ledger.lose()
		requireAnonymous(t, s, b)
		assert.True(t, b.signInByKey().signedIn())
	})
	t.Run("so is a bearer token's that was kept there", func(t *testing.T) {
		ledger := newOpenLedger()
		s := newSite(t, func(cfg *ecgridsession.Config) { cfg.Ledger, cfg.CredentialInLedger = ledger, true })
		b := s.browser().signIn()
		ledger.lose()
		requireAnonymous(t, s, b)
	})
	t.Run("signing out of what was lost works", func(t *testing.T) {
		ledger := newOpenLedger()
		s := newSite(t, func(cfg *ecgridsession.Config) { cfg.Ledger = ledger })
		b := s.browser().signInByKey()
		ledger.lose()
		got := b.post("/logout", nil)
		assert.Equal(t, http.StatusSeeOther, got.StatusCode)
		requireDeletion(t, got)
		assert.Empty(t, s.events.of(ecgridsession.LoggedOut))
	})
	t.Run("a bearer session in the cookie that had ended is ended again by ECGrid's 401", func(t *testing.T) {
		ledger := newOpenLedger()
		s := newSite(t, func(cfg *ecgridsession.Config) { cfg.Ledger = ledger })
		b := s.browser().signIn()
		copied := b.withCookie(s)
		b.post("/logout", nil)
		ledger.lose()
		assert.Equal(t, http.StatusUnauthorized, copied.get("/inbox").StatusCode, "ECGrid's own word, passed on")
		requireAnonymous(t, s, copied)
		require.Len(t, s.events.of(ecgridsession.SessionEnded), 1)
	})
}

func TestSigningInAgainEndsTheSessionThatWasThere(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		before := s.events.of(ecgridsession.SessionStarted)[0].Session
		old := b.withCookie(s)
		got := b.post("/login", url.Values{"login": {demo.Login}, "password": {demo.Password}})
		require.Equal(t, http.StatusSeeOther, got.StatusCode)
		require.Len(t, got.Header["Set-Cookie"], 1)
		require.NoError(t, s.m.Close(t.Context()), "the background has revoked the old token")

		after := s.events.of(ecgridsession.SessionStarted)[1].Session
		assert.NotEqual(t, before.Ref, after.Ref, "a new session id")
		assert.True(t, b.signedIn())
		require.NoError(t, s.m.Close(t.Context()))
		requireAnonymous(t, s, old)
		ended := s.events.of(ecgridsession.SessionEnded)
		require.Len(t, ended, 1)
		assert.Equal(t, before.Ref, ended[0].Session.Ref)
		assert.Len(t, s.grid.Calls(logoutCall), 1)
		assert.Equal(t, 1, s.grid.LiveTokens(demo.ID), "the new one")
		assert.Equal(t, http.StatusOK, b.get("/inbox").StatusCode)
	})
}

func TestSigningInAgainOnAnotherReplicaEndsTheSessionThatWasThere(t *testing.T) {
	eachKind(t, func(t *testing.T, c *cluster, r *replica, v *visitor) {
		for name, form := range forms {
			other, old := c.replica(), v.copy()
			require.Equal(t, "user demo", old.copy().get(other, "/").body)
			got := v.sendForm(t.Context(), other, http.MethodPost, "/login", form)
			require.Equal(t, http.StatusSeeOther, got.StatusCode, name)
			synctest.Wait() // the background revokes the old token

			before := len(c.api.Calls(""))
			for _, at := range []*replica{r, other} {
				assert.Equal(t, "anonymous", old.copy().get(at, "/").body, name)
				assert.Equal(t, "user demo", v.copy().get(at, "/").body, name)
			}
			assert.Len(t, c.api.Calls(""), before, "ECGrid is not asked")
			assert.Equal(t, map[string]int{"password": 1, "API key": 0}[name], c.api.LiveTokens(demo.ID), name)
			ended := other.events.of(ecgridsession.SessionEnded)
			require.Len(t, ended, 1, name)
			assert.NotEqual(t, ended[0].Session.Ref, other.events.of(ecgridsession.SessionStarted)[0].Session.Ref, "a new session id")
		}
	})
}

func TestASignInThatFailsLeavesTheSessionThatWasThere(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		got := b.post("/login", url.Values{"login": {demo.Login}, "password": {"wrong"}})
		require.Equal(t, http.StatusUnauthorized, got.StatusCode)
		requireNoCookie(t, got)
		assert.True(t, b.signedIn())
		assert.Equal(t, http.StatusOK, b.get("/inbox").StatusCode)
		assert.Empty(t, s.events.of(ecgridsession.SessionEnded))
	})
}

func TestStartingAgainWithTheSameTokenDoesNotRevokeIt(t *testing.T) {
	s := newSite(t)
	credential := s.grid.Issue(demo.ID)
	s.mux.HandleFunc("/start", func(w http.ResponseWriter, r *http.Request) {
		_, err := s.m.Start(w, r, credential)
		assert.NoError(t, err)
	})
	b := s.browser()
	b.post("/start", nil)
	old := b.withCookie(s)
	b.post("/start", nil)
	require.NoError(t, s.m.Close(t.Context()))
	requireAnonymous(t, s, old)
	assert.Empty(t, s.grid.Calls(logoutCall))
	assert.Equal(t, http.StatusOK, b.get("/inbox").StatusCode)
}

func TestAnEndedSessionsCookieIsDeletedOnTheWayToSignInAlone(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		stale := b.withCookie(s)
		b.post("/logout", nil)
		for name, c := range map[string]struct {
			header  []string
			deleted bool
		}{
			"a poller, whose answer may come after the next sign-in": {fetchCall, false},
			"an image":                            {[]string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"}, false},
			"a frame":                             {[]string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}, true},
			"a service worker":                    {[]string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Dest", "serviceworker"}, false},
			"a navigation":                        {click, true},
			"no Fetch Metadata":                   {nil, false},
			"a client from before Fetch Metadata": {[]string{"Accept", "text/html"}, true},
			"a link on other site":                {crossSite, true},
		} {
			t.Run(name, func(t *testing.T) {
				copied := stale.withCookie(s)
				for _, path := range []string{"/", "/session"} {
					assert.NotContains(t, copied.withCookie(s).get(path, c.header...).Header, "Set-Cookie", path)
				}
				got := copied.withCookie(s).get("/private", c.header...)
				if c.deleted {
					requireDeletion(t, got)
					assert.Equal(t, []string{"Cookie"}, got.Header["Vary"])
				} else {
					assert.NotContains(t, got.Header, "Set-Cookie")
				}
				requireDeletion(t, copied.withCookie(s).get("/login", c.header...))
			})
		}
	})
}

func TestOfTwoSignInsInOneRequestTheFirstIsRevoked(t *testing.T) {
	s := newSite(t)
	s.mux.HandleFunc("POST /two", func(w http.ResponseWriter, r *http.Request) {
		for range 2 {
			_, err := s.m.Login(w, r, demo.Login, demo.Password)
			assert.NoError(t, err)
		}
	})
	s.grid.SetTokenTTL(24 * time.Hour)
	clock := s.clockOf()
	b := s.browser().signIn()
	require.Equal(t, 1, s.grid.LiveTokens(demo.ID))
	clock.advance(31 * time.Minute) // the cookie it comes with is idle
	b.post("/two", nil)
	require.NoError(t, s.m.Close(t.Context()))
	assert.Equal(t, 2, s.grid.LiveTokens(demo.ID), "the idle one, which is left alone, and the last")
}
