package refresh

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
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// closed closes a replica within d and returns what Close said and how long it
// took.
func closed(r *site.Site, d time.Duration) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	began := time.Now()
	err := r.Middleware.Close(ctx)
	return time.Since(began), err
}

func TestCloseOfAnIdleMiddlewareReturnsAtOnce(t *testing.T) {
	site.SignedInBothPlaces(t, func(t *testing.T, r *site.Site, v *site.Visitor) {
		time.Sleep(site.UntilDue)
		v.Get(r, "/inbox")
		v.Post(r, "/logout")
		for range 3 { // any number of times
			took, err := closed(r, time.Minute)
			require.NoError(t, err)
			assert.Zero(t, took)
		}
	})
}

func TestCloseWaitsForARefreshUnderWay(t *testing.T) {
	site.SignedInBothPlaces(t, func(t *testing.T, r *site.Site, v *site.Visitor) {
		time.Sleep(site.UntilDue)
		r.Grid.Inject(ecgridtest.Fault{Path: site.RefreshCall, Delay: 3 * time.Second})
		ctx, hangUp := context.WithCancel(t.Context())
		var asked sync.WaitGroup
		asked.Go(func() { v.Copy().SendUntil(ctx, r, http.MethodGet, "/private") })
		synctest.Wait()
		hangUp() // the server has shut down: nobody waits for it but Close
		asked.Wait()
		took, err := closed(r, time.Minute)
		require.NoError(t, err)
		assert.Equal(t, 3*time.Second, took)
		assert.Equal(t, http.StatusOK, v.Get(r.Replica(), "/inbox").StatusCode, "the token was kept")
		assert.Equal(t, 1, r.Refreshes())
	})
}

func TestCloseReportsTheRefreshesThatAreLeft(t *testing.T) {
	site.SignedInBothPlaces(t, func(t *testing.T, r *site.Site, v *site.Visitor) {
		time.Sleep(site.UntilDue)
		r.Grid.Inject(ecgridtest.Fault{Path: site.RefreshCall, Hang: true})
		go v.Copy().Get(r, "/private")
		synctest.Wait()
		took, err := closed(r, time.Second)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Contains(t, err.Error(), "1 refreshes")
		assert.Equal(t, time.Second, took)
		synctest.Wait()
		took, err = closed(r, time.Minute)
		assert.NoError(t, err, "what was given up is gone")
		assert.Zero(t, took)
	})
}

func TestCloseTriesAPendingRevocationOnceMoreAtOnce(t *testing.T) {
	for name, times := range map[string]int{"it succeeds": 2, "it fails": 0} {
		t.Run(name, func(t *testing.T) {
			site.InBubble(t, func(t *testing.T, r *site.Site) {
				v := r.SignIn(site.Demo)
				r.Grid.Inject(ecgridtest.Fault{
					Path: site.LogoutCall, Times: times, Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"60"}},
				})
				v.Post(r, "/logout")
				synctest.Wait()
				if times > 0 {
					r.Grid.ClearFaults()
				}
				calls := len(r.Grid.Calls(site.LogoutCall))
				took, err := closed(r, time.Minute)
				require.NoError(t, err)
				assert.Zero(t, took)
				assert.Len(t, r.Grid.Calls(site.LogoutCall), calls+1)
				if times > 0 {
					assert.Zero(t, r.Grid.LiveTokens(site.Demo.ID))
				} else {
					assert.Len(t, r.Events.Of(ecgridsession.RevocationGaveUp), 1)
				}
			})
		})
	}
}

func TestCloseTriesAnUnpublishedTokenOnceMoreAtOnce(t *testing.T) {
	for name, back := range map[string]bool{"the ledger is back": true, "the ledger is down": false} {
		t.Run(name, func(t *testing.T) {
			site.InBubble(t, func(t *testing.T, r *site.Site) {
				v := r.SignInEarlier(site.Demo)
				old := v.Copy()
				time.Sleep(untilUrgent)
				r.Ledger.RefuseAll()
				v.Get(r, "/private")
				require.Equal(t, 1, r.Refreshes())
				if back {
					r.Ledger.Recover()
				}
				took, err := closed(r, time.Minute)
				require.NoError(t, err)
				assert.Zero(t, took)
				if back {
					assert.Equal(t, http.StatusOK, old.Get(r.Replica(), "/inbox").StatusCode)
					return
				}
				told := r.Events.Of(ecgridsession.LedgerUnavailable)
				require.NotEmpty(t, told)
				assert.ErrorContains(t, told[len(told)-1].Err, "not published")
			})
		})
	}
}

// A ledger that fails at the very end of a refresh, while Close waits for that.
func TestCloseTriesATokenThatCameWhileItWaited(t *testing.T) {
	site.InBubble(t, func(t *testing.T, r *site.Site) {
		v := r.SignIn(site.Demo)
		old := v.Copy()
		time.Sleep(site.UntilDue)
		r.Grid.Inject(ecgridtest.Fault{Path: site.RefreshCall, Delay: time.Second})
		go v.Get(r, "/private")
		synctest.Wait()
		time.AfterFunc(500*time.Millisecond, func() { r.Ledger.FailNthSwap(1, false) })
		_, err := closed(r, time.Minute)
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, old.Get(r.Replica(), "/inbox").StatusCode)
		assert.Equal(t, 1, r.Refreshes())
	})
}

func TestNothingIsRefreshedAfterClose(t *testing.T) {
	site.SignedInBothPlaces(t, func(t *testing.T, r *site.Site, v *site.Visitor) {
		time.Sleep(site.UntilDue)
		_, err := closed(r, time.Minute)
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, v.Get(r, "/inbox").StatusCode, "the token so far goes on")
		assert.Zero(t, r.Refreshes())
		assert.Equal(t, http.StatusSeeOther, v.Post(r, "/logout").StatusCode, "and so does signing out")
		assert.Zero(t, r.Grid.LiveTokens(site.Demo.ID))
	})
}

func TestManyMayCloseAtOnce(t *testing.T) {
	site.InBubble(t, func(t *testing.T, r *site.Site) {
		v := r.SignIn(site.Demo)
		time.Sleep(site.UntilDue)
		r.Grid.Inject(ecgridtest.Fault{Path: site.RefreshCall, Delay: 3 * time.Second})
		go v.Get(r, "/private")
		synctest.Wait()
		site.AtOnce(20, func(i int) {
			took, err := closed(r, time.Duration(i+1)*250*time.Millisecond)
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
		s := site.New(t, site.With(func(cfg *ecgridsession.Config) { cfg.LogoutTimeout = 100 * time.Millisecond }))
		browsers := make([]*site.Browser, 20)
		for i := range browsers {
			browsers[i] = s.Browser().SignIn()
		}
		s.Grid.Inject(ecgridtest.Fault{Path: site.RefreshCall, Delay: 300 * time.Millisecond})
		s.Grid.Inject(ecgridtest.Fault{Path: site.LogoutCall, Times: 10, Hang: true})
		for _, b := range browsers {
			b.Age(site.UntilDue)
		}
		site.AtOnce(len(browsers), func(i int) { browsers[i].Get("/inbox") })
		require.Len(t, s.Events.Of(ecgridsession.SessionRefreshed), len(browsers))
		for _, b := range browsers {
			b.Post("/logout", nil)
		}
		s.Grid.ClearFaults()
		// A call of the background that hangs does so for AuthTimeout.
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.NoError(t, s.Middleware.Close(ctx))
		assert.Zero(t, s.Grid.LiveTokens(site.Demo.ID))
	})
	http.DefaultClient.CloseIdleConnections()
	// The condition runs in a goroutine of its own.
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+1 }, 10*time.Second, 50*time.Millisecond)
}
