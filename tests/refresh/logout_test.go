package refresh

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

func TestSigningOutDuringARefreshEndsTheSessionAtOnceAndItsNewTokenToo(t *testing.T) {
	for where, elsewhere := range map[string]bool{"here": false, "on another replica": true} {
		for when, minted := range map[string]bool{"before ECGrid minted": false, "after ECGrid minted": true} {
			t.Run(where+", "+when, func(t *testing.T) {
				site.BothPlaces(t, func(t *testing.T, c *site.Site) {
					held := newStuck(c)
					refreshing := c.Replica(held.through)
					r := refreshing
					if elsewhere {
						r = c.Replica()
					}
					v := r.SignIn(site.Demo)
					copied := v.Copy()
					time.Sleep(site.UntilDue)
					if minted {
						close(held.ask)
					}
					var late site.Answer
					var refresh sync.WaitGroup
					refresh.Go(func() { late = copied.Copy().Get(refreshing, "/private") })
					synctest.Wait()
					require.Equal(t, minted, held.asked.Load())

					began := time.Now()
					got := v.Post(r, "/logout")
					assert.Equal(t, http.StatusSeeOther, got.StatusCode)
					assert.Equal(t, []string{site.Deletion}, got.SessionCookies())
					assert.Less(t, time.Since(began), time.Second, "it does not wait for the refresh")
					out := r.Events.Of(ecgridsession.LoggedOut)
					require.Len(t, out, 1)
					assert.Equal(t, ecgridsession.LogoutPending, out[0].Outcome)
					assert.Equal(t, "anonymous", copied.Copy().Get(r, "/").Text, "signed out at once")

					if !minted {
						close(held.ask)
					}
					time.Sleep(time.Second / 2) // the page still waits
					close(held.deliver)
					refresh.Wait()
					time.Sleep(time.Second)
					assert.NotEqual(t, "private", late.Text)
					for _, set := range late.SessionCookies() {
						assert.Equal(t, site.Deletion, set, "no later answer opens the session")
					}
					assert.Equal(t, "anonymous", copied.Copy().Get(r, "/").Text)
					assert.Equal(t, "anonymous", copied.Copy().Get(refreshing, "/").Text)
					assert.Zero(t, c.Grid.LiveTokens(site.Demo.ID))
					assert.Empty(t, refreshing.Events.Of(ecgridsession.SessionRefreshed))
				})
			})
		}
	}
}

// If the holder dies, the token so far is all that anybody can revoke.
func TestSigningOutWhileAnotherRefreshesRevokesTheTokenSoFar(t *testing.T) {
	site.BothPlaces(t, func(t *testing.T, c *site.Site) {
		dead := newStuck(c)
		r, refreshing := c.Replica(), c.Replica(dead.through)
		v := r.SignIn(site.Demo)
		time.Sleep(site.UntilDue)
		go v.Copy().Post(refreshing, "/token")
		synctest.Wait()
		v.Post(r, "/logout")
		time.Sleep(time.Second)
		assert.Zero(t, c.Grid.LiveTokens(site.Demo.ID))
		close(dead.ask)
		close(dead.deliver)
	})
}

// What began before the sign-out and ends after it, at every moment of a
// refresh, brings nothing back.
func TestASlowRequestCannotBringASessionBack(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		t.Run(method, func(t *testing.T) {
			for at := time.Duration(0); at <= 4*time.Second; at += 250 * time.Millisecond {
				t.Run(at.String(), func(t *testing.T) {
					site.BothPlaces(t, func(t *testing.T, c *site.Site) {
						r := c.Replica()
						r.Mux.HandleFunc("/wait", func(w http.ResponseWriter, req *http.Request) {
							time.Sleep(time.Second)
							_, _ = r.Middleware.Credential(req.Context()) // whichever way it comes out
							time.Sleep(time.Second)
						})
						v := r.SignIn(site.Demo)
						copied := v.Copy()
						time.Sleep(site.UntilDue)
						c.Grid.Inject(ecgridtest.Fault{Path: site.RefreshCall, Delay: 2 * time.Second})
						var slow sync.WaitGroup
						slow.Go(func() { copied.Send(r, method, "/wait") })
						time.Sleep(at)
						v.Post(r, "/logout")
						slow.Wait()
						time.Sleep(5 * time.Second)
						assert.Equal(t, "anonymous", copied.Get(r, "/").Text)
						assert.Equal(t, "anonymous", copied.Get(c.Replica(), "/").Text)
						assert.Zero(t, c.Grid.LiveTokens(site.Demo.ID))
					})
				})
			}
		})
	}
}

func TestNoGenerationOfACookieOpensAnEndedSession(t *testing.T) {
	site.BothPlaces(t, func(t *testing.T, c *site.Site) {
		r, other := c.Replica(), c.Replica()
		v := r.SignIn(site.Demo)
		var cookies []*site.Visitor
		for range 4 {
			cookies = append(cookies, v.Copy())
			time.Sleep(site.UntilDue)
			require.Equal(t, http.StatusOK, v.Get(r, "/inbox").StatusCode)
		}
		cookies = append(cookies, v.Copy())
		require.Equal(t, http.StatusSeeOther, v.Post(r, "/logout").StatusCode)
		// Until the absolute end, on any replica, with none of them idle yet.
		for range 3 {
			before := len(c.Grid.Calls(""))
			for i, old := range cookies {
				for _, at := range []*site.Site{r, other, c.Replica()} {
					assert.Equal(t, "anonymous", old.Copy().Get(at, "/").Text, "generation %d", i)
					assert.Equal(t, http.StatusUnauthorized, old.Copy().Post(at, "/inbox").StatusCode)
				}
			}
			assert.Len(t, c.Grid.Calls(""), before, "and ECGrid is not asked")
			time.Sleep(5 * time.Minute)
		}
	})
}

func TestCloseDuringASignOutFinishesIt(t *testing.T) {
	site.BothPlaces(t, func(t *testing.T, c *site.Site) {
		held := newStuck(c)
		r := c.Replica(held.through)
		v := r.SignIn(site.Demo)
		time.Sleep(site.UntilDue)
		close(held.ask)
		var all sync.WaitGroup
		all.Go(func() { v.Copy().Post(r, "/token") })
		synctest.Wait()
		v.Post(r, "/logout")
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			assert.NoError(t, r.Middleware.Close(ctx))
			assert.Zero(t, c.Grid.LiveTokens(site.Demo.ID), "what the refresh brought is revoked before Close returns")
		})
		time.Sleep(2 * time.Second)
		close(held.deliver)
		all.Wait()
	})
}

func TestCloseDuringASignOutReportsWhatIsLeft(t *testing.T) {
	site.SignedInBothPlaces(t, func(t *testing.T, r *site.Site, v *site.Visitor) {
		r.Grid.Inject(ecgridtest.Fault{Path: site.LogoutCall, Hang: true})
		v.Post(r, "/logout")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := r.Middleware.Close(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Contains(t, err.Error(), "1 revocations")
	})
}

func TestSigningOutRevokesTheTokenThatOnlyThisProcessKnows(t *testing.T) {
	site.InBubble(t, func(t *testing.T, r *site.Site) {
		v := r.SignInEarlier(site.Demo)
		time.Sleep(untilUrgent)
		r.Ledger.RefuseAll()
		v.Token(r) // refreshes, with nobody to tell of it
		require.Equal(t, 1, r.Refreshes())
		v.Post(r, "/logout")
		assert.Zero(t, r.Grid.LiveTokens(site.Demo.ID))
	})
}
