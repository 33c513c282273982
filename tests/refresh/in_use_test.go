package refresh

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// The fake's tokens live for 15 minutes, and have no refresh token. The idle
// limit is 30 minutes.

func TestASessionOutlivesItsTokenForAnyPauseUnderTheIdleLimit(t *testing.T) {
	for use := time.Duration(0); use <= 16*time.Minute; use += 4 * time.Minute {
		for _, pause := range []time.Duration{3 * time.Minute, 14 * time.Minute, 16 * time.Minute, 29*time.Minute + 59*time.Second} {
			t.Run(use.String()+" of use, then "+pause.String(), func(t *testing.T) {
				site.SignedInBothPlaces(t, func(t *testing.T, r *site.Site, v *site.Visitor) {
					for began := time.Now(); time.Since(began) < use; {
						time.Sleep(time.Minute)
						require.Equal(t, http.StatusOK, v.Get(r, "/inbox").StatusCode)
					}
					// The cookie says when the session was used, to a tenth of the idle limit.
					time.Sleep(min(pause, 30*time.Minute-use%(3*time.Minute)-time.Second))
					assert.Equal(t, http.StatusOK, v.Get(r, "/inbox").StatusCode)
					assert.Equal(t, 1, r.Grid.LiveTokens(site.Demo.ID))
				})
			})
		}
	}
}

func TestNothingIsRefreshedBeyondTheIdleLimit(t *testing.T) {
	site.SignedInBothPlaces(t, func(t *testing.T, r *site.Site, v *site.Visitor) {
		time.Sleep(30*time.Minute + time.Second)
		refreshes := r.Refreshes()
		assert.Equal(t, 2, refreshes, "before the limit")
		assert.Equal(t, "anonymous", v.Get(r, "/").Text)
		time.Sleep(8 * time.Hour)
		assert.Equal(t, refreshes, r.Refreshes())
		assert.Zero(t, r.Grid.LiveTokens(site.Demo.ID))
	})
}

func TestNothingIsRefreshedAfterTheEndOfASession(t *testing.T) {
	for name, end := range map[string]func(*site.Site, *site.Visitor){
		"sign-out":                    func(r *site.Site, v *site.Visitor) { v.Post(r, "/logout") },
		"sign-out on another replica": func(r *site.Site, v *site.Visitor) { v.Post(r.Replica(), "/logout") },
		"Close":                       func(r *site.Site, _ *site.Visitor) { _ = r.Middleware.Close(context.Background()) },
		"an administrator's end": func(r *site.Site, _ *site.Visitor) {
			require.NoError(r.T, r.Middleware.EndSessionsOf(context.Background(), site.Demo.ID))
		},
	} {
		t.Run(name, func(t *testing.T) {
			site.SignedInBothPlaces(t, func(t *testing.T, r *site.Site, v *site.Visitor) {
				end(r, v)
				time.Sleep(time.Hour)
				assert.Zero(t, r.Refreshes())
			})
		})
	}
}

func TestASessionInUseIsNotKeptAliveBeyondItsAbsoluteEnd(t *testing.T) {
	site.InBubble(t, func(t *testing.T, r *site.Site) {
		r.SignIn(site.Demo)
		time.Sleep(time.Hour)
		assert.Equal(t, 1, r.Refreshes(), "at a quarter of an hour, not at half an hour")
	}, site.With(func(cfg *ecgridsession.Config) { cfg.Lifetime = 20 * time.Minute }))
}

func TestReplicasThatHoldTheSameSessionMakeOneCall(t *testing.T) {
	site.BothPlaces(t, func(t *testing.T, c *site.Site) {
		rs := []*site.Site{c.Replica(), c.Replica(), c.Replica()}
		v := rs[0].SignIn(site.Demo)
		for _, r := range rs {
			time.Sleep(4 * time.Minute) // each sets the cookie
			require.Equal(t, http.StatusOK, v.Get(r, "/inbox").StatusCode)
		}
		time.Sleep(14 * time.Minute)
		assert.Equal(t, 1, c.Refreshes())
		time.Sleep(15 * time.Minute)
		assert.Equal(t, 2, c.Refreshes())
		assert.Equal(t, http.StatusOK, v.Get(rs[1], "/inbox").StatusCode)
	})
}

func TestACredentialThatNeedsNoRefreshIsNotKeptAlive(t *testing.T) {
	site.InBubble(t, func(t *testing.T, r *site.Site) {
		r.SignInByKey(site.Demo)
		r.Grid.SetTokenTTL(time.Hour) // outlives the idle limit
		r.SignIn(site.Demo)
		time.Sleep(2 * time.Hour)
		assert.Zero(t, r.Refreshes())
	})
}

func TestAPollThatOnlyAsksKeepsNoSessionAlive(t *testing.T) {
	site.SignedInBothPlaces(t, func(t *testing.T, r *site.Site, v *site.Visitor) {
		for range 60 {
			time.Sleep(time.Minute)
			v.Get(r, "/session")
		}
		assert.Equal(t, 2, r.Refreshes())
		assert.Equal(t, "anonymous", v.Get(r, "/").Text)
	})
}

func TestASessionInUseSurvivesAnOutageOfECGridWhileItPauses(t *testing.T) {
	site.SignedInBothPlaces(t, func(t *testing.T, r *site.Site, v *site.Visitor) {
		r.Grid.Inject(ecgridtest.Fault{Path: site.RefreshCall, Reset: true})
		time.Sleep(14*time.Minute + 30*time.Second)
		r.Grid.ClearFaults()
		time.Sleep(10 * time.Minute)
		assert.Equal(t, http.StatusOK, v.Get(r, "/inbox").StatusCode)
	})
}
