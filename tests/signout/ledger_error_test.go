package signout

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

func TestSigningOutEverywhereIsMadeUpForAfterAnErrorOfTheLedger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := site.New(t, site.InProcess())
		here, elsewhere := s.SignIn(site.Demo), s.SignIn(site.Demo)
		s.Mux.Handle("/logout-everywhere", s.Middleware.LogoutEverywhereHandler())

		s.Ledger.RefuseSwaps()
		assert.Equal(t, http.StatusServiceUnavailable, here.Post(s, "/logout-everywhere").StatusCode)
		require.Equal(t, http.StatusOK, elsewhere.Get(s, "/private").StatusCode, "the ledger could not be told")
		s.Ledger.Recover()

		time.Sleep(time.Minute)
		assert.Equal(t, http.StatusUnauthorized, elsewhere.Get(s, "/private").StatusCode)
	})
}

func TestStartWithTheCredentialOfAnUnendedSessionEndsThatSessionAndKeepsTheCredential(t *testing.T) {
	for kind, credential := range map[string]func(*site.Site) ecgridsession.Credential{
		"bearer":  func(s *site.Site) ecgridsession.Credential { return s.Grid.Issue(site.Demo.ID) },
		"API key": func(*site.Site) ecgridsession.Credential { return ecgridsession.Credential{APIKey: site.Demo.APIKey} },
	} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := site.New(t, site.InProcess())
				s.Grid.SetTokenTTL(24 * time.Hour)
				c := credential(s)
				start := func(w http.ResponseWriter, r *http.Request) {
					_, err := s.Middleware.Start(w, r, c)
					require.NoError(t, err)
				}
				s.Mux.HandleFunc("POST /start", start)
				v := &site.Visitor{}
				v.Post(s, "/start")
				old := v.Copy()
				require.Equal(t, http.StatusOK, old.Get(s, "/private").StatusCode)

				// The end of the old session is the last swap of the sign-in.
				swaps := int64(1)
				if kind == "API key" {
					swaps = 2
				}
				s.Ledger.FailFromNthSwap(swaps)
				v.Post(s, "/start")
				require.Equal(t, http.StatusOK, old.Copy().Get(s, "/private").StatusCode, "the ledger could not be told")
				s.Ledger.Recover()

				time.Sleep(time.Minute)
				assert.Equal(t, http.StatusUnauthorized, old.Copy().Get(s, "/private").StatusCode)
				assert.Equal(t, http.StatusOK, v.Get(s, "/private").StatusCode)
				assert.Empty(t, s.Grid.Calls(site.LogoutCall), "the new session has the same credential")
			})
		})
	}
}

// What a limit is raised to decides how long a copy of a cookie may still be
// tried, and the old one decided how long the ledger knows of the sign-out.
func TestRaisingOneLimitReopensNoSignedOutSession(t *testing.T) {
	for name, raise := range map[string]func(*ecgridsession.Config){
		"IdleTimeout": func(c *ecgridsession.Config) { c.IdleTimeout = 2 * time.Hour },
		"Lifetime":    func(c *ecgridsession.Config) { c.Lifetime = 24 * time.Hour },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				short := func(c *ecgridsession.Config) {
					c.IdleTimeout, c.Lifetime = 30*time.Minute, time.Hour
				}
				s := site.New(t, site.InProcess(), site.With(short))
				s.Grid.SetTokenTTL(48 * time.Hour)
				v := s.SignIn(site.Demo)
				time.Sleep(25 * time.Minute)
				v.Get(s, "/private")
				time.Sleep(25 * time.Minute)
				v.Get(s, "/private")
				copied := v.Copy()
				v.Post(s, "/logout")

				later := s.Replica(raise)
				for range 30 {
					got := copied.Copy().Get(later, "/private", "Sec-Fetch-Dest", "empty")
					require.Equal(t, http.StatusUnauthorized, got.StatusCode)
					time.Sleep(10 * time.Minute)
				}
			})
		})
	}
}
