package tests

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
)

func TestSigningOutDuringARefreshEndsTheSessionAtOnceAndItsNewTokenToo(t *testing.T) {
	for where, elsewhere := range map[string]bool{"here": false, "on another replica": true} {
		for when, minted := range map[string]bool{"before ECGrid minted": false, "after ECGrid minted": true} {
			t.Run(where+", "+when, func(t *testing.T) {
				bothPlaces(t, func(t *testing.T, c *cluster) {
					held := newStuck(c)
					refreshing := c.replica(held.through)
					r := refreshing
					if elsewhere {
						r = c.replica()
					}
					v := r.signIn(demo)
					copied := v.copy()
					time.Sleep(untilDue)
					if minted {
						close(held.ask)
					}
					var late answer
					var refresh sync.WaitGroup
					refresh.Go(func() { late = copied.copy().get(refreshing, "/private") })
					synctest.Wait()
					require.Equal(t, minted, held.asked.Load())

					began := time.Now()
					got := v.post(r, "/logout")
					assert.Equal(t, http.StatusSeeOther, got.StatusCode)
					assert.Equal(t, []string{deletion}, got.sessionCookies())
					assert.Less(t, time.Since(began), time.Second, "it does not wait for the refresh")
					out := r.events.of(ecgridsession.LoggedOut)
					require.Len(t, out, 1)
					assert.Equal(t, ecgridsession.LogoutPending, out[0].Outcome)
					assert.Equal(t, "anonymous", copied.copy().get(r, "/").body, "signed out at once")

					if !minted {
						close(held.ask)
					}
					time.Sleep(time.Second)
					close(held.deliver)
					refresh.Wait()
					time.Sleep(time.Second)
					assert.NotEqual(t, "private", late.body)
					for _, set := range late.sessionCookies() {
						assert.Equal(t, deletion, set, "no later answer opens the session")
					}
					assert.Equal(t, "anonymous", copied.copy().get(r, "/").body)
					assert.Equal(t, "anonymous", copied.copy().get(refreshing, "/").body)
					assert.Zero(t, c.api.LiveTokens(demo.ID))
					assert.Empty(t, refreshing.events.of(ecgridsession.SessionRefreshed))
				})
			})
		}
	}
}

// If the holder dies, the token so far is all that anybody can revoke.
func TestSigningOutWhileAnotherRefreshesRevokesTheTokenSoFar(t *testing.T) {
	bothPlaces(t, func(t *testing.T, c *cluster) {
		dead := newStuck(c)
		r, refreshing := c.replica(), c.replica(dead.through)
		v := r.signIn(demo)
		time.Sleep(untilDue)
		go v.copy().post(refreshing, "/token")
		synctest.Wait()
		v.post(r, "/logout")
		time.Sleep(time.Second)
		assert.Zero(t, c.api.LiveTokens(demo.ID))
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
					bothPlaces(t, func(t *testing.T, c *cluster) {
						r := c.replica()
						r.mux.HandleFunc("/wait", func(w http.ResponseWriter, req *http.Request) {
							time.Sleep(time.Second)
							_, _ = r.m.Credential(req.Context()) // whichever way it comes out
							time.Sleep(time.Second)
						})
						v := r.signIn(demo)
						copied := v.copy()
						time.Sleep(untilDue)
						c.api.Inject(ecgridtest.Fault{Path: refreshCall, Delay: 2 * time.Second})
						var slow sync.WaitGroup
						slow.Go(func() { copied.send(r, method, "/wait") })
						time.Sleep(at)
						v.post(r, "/logout")
						slow.Wait()
						time.Sleep(5 * time.Second)
						assert.Equal(t, "anonymous", copied.get(r, "/").body)
						assert.Equal(t, "anonymous", copied.get(c.replica(), "/").body)
						assert.Zero(t, c.api.LiveTokens(demo.ID))
					})
				})
			}
		})
	}
}

func TestNoGenerationOfACookieOpensAnEndedSession(t *testing.T) {
	bothPlaces(t, func(t *testing.T, c *cluster) {
		r, other := c.replica(), c.replica()
		v := r.signIn(demo)
		var cookies []*visitor
		for range 4 {
			cookies = append(cookies, v.copy())
			time.Sleep(untilDue)
			require.Equal(t, http.StatusOK, v.get(r, "/call").StatusCode)
		}
		cookies = append(cookies, v.copy())
		require.Equal(t, http.StatusSeeOther, v.post(r, "/logout").StatusCode)
		// Until the absolute end, on any replica, with none of them idle yet.
		for range 3 {
			before := len(c.api.Calls(""))
			for i, old := range cookies {
				for _, at := range []*replica{r, other, c.replica()} {
					assert.Equal(t, "anonymous", old.copy().get(at, "/").body, "generation %d", i)
					assert.Equal(t, http.StatusUnauthorized, old.copy().post(at, "/call").StatusCode)
				}
			}
			assert.Len(t, c.api.Calls(""), before, "and ECGrid is not asked")
			time.Sleep(5 * time.Minute)
		}
	})
}

func TestCloseDuringASignOutFinishesIt(t *testing.T) {
	bothPlaces(t, func(t *testing.T, c *cluster) {
		held := newStuck(c)
		r := c.replica(held.through)
		v := r.signIn(demo)
		time.Sleep(untilDue)
		close(held.ask)
		var all sync.WaitGroup
		all.Go(func() { v.copy().post(r, "/token") })
		synctest.Wait()
		v.post(r, "/logout")
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			assert.NoError(t, r.m.Close(ctx))
			assert.Zero(t, c.api.LiveTokens(demo.ID), "what the refresh brought is revoked before Close returns")
		})
		time.Sleep(2 * time.Second)
		close(held.deliver)
		all.Wait()
	})
}

func TestCloseDuringASignOutReportsWhatIsLeft(t *testing.T) {
	signedInBothPlaces(t, func(t *testing.T, c *cluster, r *replica, v *visitor) {
		c.api.Inject(ecgridtest.Fault{Path: logoutCall, Hang: true})
		v.post(r, "/logout")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := r.m.Close(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Contains(t, err.Error(), "1 revocations")
	})
}

func TestSigningOutRevokesTheTokenThatOnlyThisProcessKnows(t *testing.T) {
	inTimeBubble(t, func(t *testing.T, c *cluster, r *replica) {
		v := r.signIn(demo)
		time.Sleep(untilUrgent)
		c.ledger.refuseAll()
		v.token(r) // refreshes, with nobody to tell of it
		require.Equal(t, 1, c.refreshes())
		v.post(r, "/logout")
		assert.Zero(t, c.api.LiveTokens(demo.ID))
	})
}
