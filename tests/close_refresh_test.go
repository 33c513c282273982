package tests

import (
	"context"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// closed closes a replica within d and returns what Close said and how long it
// took.
func (r *replica) closed(d time.Duration) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	began := time.Now()
	err := r.m.Close(ctx)
	return time.Since(began), err
}

func TestCloseOfAnIdleMiddlewareReturnsAtOnce(t *testing.T) {
	signedInBothPlaces(t, func(t *testing.T, c *cluster, r *replica, v *visitor) {
		time.Sleep(untilDue)
		v.get(r, "/call")
		v.post(r, "/logout")
		for range 3 { // any number of times
			took, err := r.closed(time.Minute)
			require.NoError(t, err)
			assert.Zero(t, took)
		}
	})
}

func TestCloseWaitsForARefreshUnderWay(t *testing.T) {
	signedInBothPlaces(t, func(t *testing.T, c *cluster, r *replica, v *visitor) {
		time.Sleep(untilDue)
		c.api.Inject(ecgridtest.Fault{Path: refreshCall, Delay: 3 * time.Second})
		ctx, hangUp := context.WithCancel(t.Context())
		var asked sync.WaitGroup
		asked.Go(func() { v.copy().sendUntil(ctx, r, http.MethodGet, "/private") })
		synctest.Wait()
		hangUp() // the server has shut down: nobody waits for it but Close
		asked.Wait()
		took, err := r.closed(time.Minute)
		require.NoError(t, err)
		assert.Equal(t, 3*time.Second, took)
		assert.Equal(t, http.StatusOK, v.get(c.replica(), "/call").StatusCode, "the token was kept")
		assert.Equal(t, 1, c.refreshes())
	})
}

func TestCloseReportsTheRefreshesThatAreLeft(t *testing.T) {
	signedInBothPlaces(t, func(t *testing.T, c *cluster, r *replica, v *visitor) {
		time.Sleep(untilDue)
		c.api.Inject(ecgridtest.Fault{Path: refreshCall, Hang: true})
		go v.copy().get(r, "/private")
		synctest.Wait()
		took, err := r.closed(time.Second)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Contains(t, err.Error(), "1 refreshes")
		assert.Equal(t, time.Second, took)
		synctest.Wait()
		took, err = r.closed(time.Minute)
		assert.NoError(t, err, "what was given up is gone")
		assert.Zero(t, took)
	})
}

func TestCloseTriesAPendingRevocationOnceMoreAtOnce(t *testing.T) {
	for name, times := range map[string]int{"it succeeds": 2, "it fails": 0} {
		t.Run(name, func(t *testing.T) {
			inTimeBubble(t, func(t *testing.T, c *cluster, r *replica) {
				v := r.signIn(demo)
				c.api.Inject(ecgridtest.Fault{
					Path: logoutCall, Times: times, Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"60"}},
				})
				v.post(r, "/logout")
				synctest.Wait()
				if times > 0 {
					c.api.ClearFaults()
				}
				calls := len(c.api.Calls(logoutCall))
				took, err := r.closed(time.Minute)
				require.NoError(t, err)
				assert.Zero(t, took)
				assert.Len(t, c.api.Calls(logoutCall), calls+1)
				if times > 0 {
					assert.Zero(t, c.api.LiveTokens(demo.ID))
				} else {
					assert.Len(t, r.events.of(ecgridsession.RevocationGaveUp), 1)
				}
			})
		})
	}
}

func TestCloseTriesAnUnpublishedTokenOnceMoreAtOnce(t *testing.T) {
	for name, back := range map[string]bool{"the ledger is back": true, "the ledger is down": false} {
		t.Run(name, func(t *testing.T) {
			inTimeBubble(t, func(t *testing.T, c *cluster, r *replica) {
				v := r.signIn(demo)
				old := v.copy()
				time.Sleep(untilUrgent)
				c.ledger.refuseAll()
				v.get(r, "/private")
				require.Equal(t, 1, c.refreshes())
				if back {
					c.ledger.recover()
				}
				took, err := r.closed(time.Minute)
				require.NoError(t, err)
				assert.Zero(t, took)
				if back {
					assert.Equal(t, http.StatusOK, old.get(c.replica(), "/call").StatusCode)
					return
				}
				told := r.events.of(ecgridsession.LedgerUnavailable)
				require.NotEmpty(t, told)
				assert.ErrorContains(t, told[len(told)-1].Err, "not published")
			})
		})
	}
}

// A ledger that fails at the very end of a refresh, while Close waits for that.
func TestCloseTriesATokenThatCameWhileItWaited(t *testing.T) {
	inTimeBubble(t, func(t *testing.T, c *cluster, r *replica) {
		v := r.signIn(demo)
		old := v.copy()
		time.Sleep(untilDue)
		c.api.Inject(ecgridtest.Fault{Path: refreshCall, Delay: time.Second})
		go v.get(r, "/private")
		synctest.Wait()
		time.AfterFunc(500*time.Millisecond, func() { c.ledger.failNthSwap(1, false) })
		_, err := r.closed(time.Minute)
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, old.get(c.replica(), "/call").StatusCode)
		assert.Equal(t, 1, c.refreshes())
	})
}

func TestNothingIsRefreshedAfterClose(t *testing.T) {
	signedInBothPlaces(t, func(t *testing.T, c *cluster, r *replica, v *visitor) {
		time.Sleep(untilDue)
		_, err := r.closed(time.Minute)
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, v.get(r, "/call").StatusCode, "the token so far goes on")
		assert.Zero(t, c.refreshes())
		assert.Equal(t, http.StatusSeeOther, v.post(r, "/logout").StatusCode, "and so does signing out")
		assert.Zero(t, c.api.LiveTokens(demo.ID))
	})
}

func TestManyMayCloseAtOnce(t *testing.T) {
	inTimeBubble(t, func(t *testing.T, c *cluster, r *replica) {
		v := r.signIn(demo)
		time.Sleep(untilDue)
		c.api.Inject(ecgridtest.Fault{Path: refreshCall, Delay: 3 * time.Second})
		go v.get(r, "/private")
		synctest.Wait()
		atOnce(20, func(i int) {
			took, err := r.closed(time.Duration(i+1) * 250 * time.Millisecond)
			if err != nil {
				assert.ErrorIs(t, err, context.DeadlineExceeded)
			}
			assert.LessOrEqual(t, took, 3*time.Second)
		})
	})
}

// Over the network, with faults of every kind, nothing is left running.
func TestNoGoroutineIsLeftAfterClose(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Run("site", func(t *testing.T) {
		s := newSite(t, func(cfg *ecgridsession.Config) { cfg.LogoutTimeout = 100 * time.Millisecond })
		clock := s.clockOf()
		browsers := make([]*browser, 20)
		for i := range browsers {
			browsers[i] = s.browser().signIn()
		}
		s.grid.Inject(ecgridtest.Fault{Path: refreshCall, Delay: 300 * time.Millisecond})
		s.grid.Inject(ecgridtest.Fault{Path: logoutCall, Times: 10, Hang: true})
		clock.advance(untilDue)
		atOnce(len(browsers), func(i int) { browsers[i].get("/inbox") })
		require.Len(t, s.events.of(ecgridsession.SessionRefreshed), len(browsers))
		for _, b := range browsers {
			b.post("/logout", nil)
		}
		s.grid.ClearFaults()
		// A call of the background that hangs does so for AuthTimeout.
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.NoError(t, s.m.Close(ctx))
		assert.Zero(t, s.grid.LiveTokens(demo.ID))
	})
	http.DefaultClient.CloseIdleConnections()
	// The condition runs in a goroutine of its own.
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+1 }, 10*time.Second, 50*time.Millisecond)
}
