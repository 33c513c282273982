package refresh

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// untilUrgent takes a session to the last quarter of its token's lead, where it
// is refreshed even without the ledger.
const untilUrgent = 15*time.Minute - 20*time.Second

func TestATokenThatWillLastWaitsForTheLedger(t *testing.T) {
	site.InBubble(t, func(t *testing.T, r *site.Site) {
		v := r.SignIn(site.Demo)
		time.Sleep(site.UntilDue)
		r.Ledger.RefuseAll()
		assert.Equal(t, http.StatusOK, v.Get(r, "/inbox").StatusCode, "the token so far goes on")
		assert.Zero(t, r.Refreshes())
		r.Ledger.Recover()
		v.Get(r, "/private")
		assert.Equal(t, 1, r.Refreshes())
	})
}

func TestAnUrgentTokenIsRefreshedWithoutTheLedgerAndPublishedWhenThatIsBack(t *testing.T) {
	site.InBubble(t, func(t *testing.T, r *site.Site) {
		v := r.SignInEarlier(site.Demo)
		old := v.Copy()
		time.Sleep(untilUrgent)
		r.Ledger.RefuseAll()
		site.AtOnce(100, func(i int) {
			one := v
			if i > 0 {
				one = old.Copy() // v takes over its new cookie meanwhile
			}
			assert.Equal(t, http.StatusOK, one.Get(r, "/inbox").StatusCode)
		})
		assert.Equal(t, 1, r.Refreshes())
		assert.NotEqual(t, old.Cookie, v.Cookie, "meanwhile the cookie carries it")
		time.Sleep(40 * time.Second)
		assert.Equal(t, http.StatusOK, v.Get(r, "/inbox").StatusCode)

		r.Ledger.Recover()
		time.Sleep(10 * time.Second)
		other := r.Replica()
		assert.Equal(t, http.StatusOK, old.Get(other, "/inbox").StatusCode, "another replica knows it by the ledger")
		assert.Equal(t, 1, r.Refreshes())
		assert.Empty(t, r.Events.Of(ecgridsession.SessionEnded))
	})
}

// The answer to a POST carries no new cookie, so only this process knows the
// token until the ledger does.
func TestATokenThatTheLedgerDoesNotKnowYetIsFoundInThisProcess(t *testing.T) {
	for name, back := range map[string]bool{"the ledger is still down": false, "the ledger has just come back": true} {
		t.Run(name, func(t *testing.T) {
			site.InBubble(t, func(t *testing.T, r *site.Site) {
				v := r.SignInEarlier(site.Demo)
				time.Sleep(untilUrgent)
				r.Ledger.RefuseAll()
				require.Equal(t, http.StatusOK, v.Post(r, "/inbox").StatusCode)
				if back {
					r.Ledger.Recover()
				}
				for _, method := range []string{http.MethodPost, http.MethodGet} {
					assert.Equal(t, http.StatusOK, v.Copy().Send(r, method, "/inbox").StatusCode, method)
				}
				assert.Equal(t, 1, r.Refreshes())
				assert.Empty(t, r.Events.Of(ecgridsession.SessionEnded))
				v.Get(r, "/")
				time.Sleep(30 * time.Second)
				assert.Equal(t, http.StatusOK, v.Get(r, "/inbox").StatusCode)
				assert.Equal(t, 1, r.Refreshes())
			})
		})
	}
}

func TestATokenThatTheLedgerDoesNotKnowYetServesOlderCookiesToo(t *testing.T) {
	site.InBubble(t, func(t *testing.T, r *site.Site) {
		older := r.SignIn(site.Demo)
		token := func(at *site.Site) string {
			got := older.Copy().Get(at, "/token")
			require.Equal(t, http.StatusOK, got.StatusCode, got.Text)
			return got.Text
		}
		first := token(r)
		r.Ledger.RefuseAll()
		time.Sleep(untilUrgent)
		second := token(r)
		require.False(t, first == second)
		assert.True(t, second == token(r), "the newer token is not forgotten")

		// Back, and not told yet: a claim now would end the session, since the
		// older token is refused.
		r.Ledger.Recover()
		assert.True(t, second == token(r))
		assert.Equal(t, 1, r.Refreshes())

		time.Sleep(time.Minute)
		assert.True(t, second == token(r.Replica()), "the newer token is published")
		assert.Equal(t, 1, r.Refreshes())
	})
}

func TestAnOutageThatOutlastsTokensEndsWithTheNewestPublished(t *testing.T) {
	site.InBubble(t, func(t *testing.T, r *site.Site) {
		v := r.SignInEarlier(site.Demo)
		time.Sleep(untilUrgent)
		r.Ledger.RefuseAll()
		for range 3 {
			require.Equal(t, http.StatusOK, v.Get(r, "/inbox").StatusCode)
			time.Sleep(untilUrgent)
		}
		before := v.Copy()
		require.Equal(t, http.StatusOK, v.Get(r, "/inbox").StatusCode)
		r.Ledger.Recover()
		time.Sleep(5 * time.Second)
		assert.Equal(t, http.StatusOK, before.Get(r.Replica(), "/inbox").StatusCode)
		assert.Equal(t, 4, r.Refreshes())
		for _, e := range r.Events.Of(ecgridsession.LedgerUnavailable) {
			assert.NotContains(t, e.Err.Error(), "not published", "each was, or had a successor")
		}
	})
}

// Signing out wins over a token that is still to be published.
func TestATokenThatWasNotPublishedIsRevokedAfterSignOut(t *testing.T) {
	site.InBubble(t, func(t *testing.T, r *site.Site) {
		v := r.SignInEarlier(site.Demo)
		old := v.Copy()
		time.Sleep(untilUrgent)
		r.Ledger.RefuseAll()
		require.Equal(t, http.StatusOK, v.Post(r, "/inbox").StatusCode)
		r.Ledger.Recover()
		require.Equal(t, http.StatusSeeOther, v.Post(r, "/logout").StatusCode)
		assert.Equal(t, "anonymous", old.Get(r, "/").Text)
		time.Sleep(time.Minute)
		assert.Equal(t, "anonymous", old.Get(r, "/").Text)
		assert.Zero(t, r.Grid.LiveTokens(site.Demo.ID))
	})
}

// A ledger that comes back is told of the token before any other replica may
// take the claim over, ask ECGrid with the old token, and end the session on its
// refusal.
func TestAPublishIsNotOvertakenByTheEndOfItsLease(t *testing.T) {
	for outage := 3 * time.Second; outage < time.Minute; outage += 3 * time.Second {
		t.Run(outage.String(), func(t *testing.T) {
			site.InBubble(t, func(t *testing.T, r *site.Site) {
				other := r.Replica()
				v := r.SignInEarlier(site.Demo)
				old := v.Copy()
				time.Sleep(site.UntilDue)
				r.Grid.Inject(ecgridtest.Fault{Path: site.RefreshCall, Delay: time.Second})
				go v.Post(r, "/inbox")
				time.Sleep(500 * time.Millisecond)  // it has claimed
				go old.Copy().Post(other, "/inbox") // this one waits for it
				time.Sleep(100 * time.Millisecond)
				r.Ledger.RefuseAll()
				time.Sleep(outage)
				r.Ledger.Recover()
				for range 30 {
					require.Equal(t, http.StatusOK, old.Copy().Post(other, "/inbox").StatusCode)
					time.Sleep(time.Second)
				}
				assert.Equal(t, 1, r.Refreshes())
			})
		})
	}
}

func TestALedgerThatFailsOnceWithinARefreshCostsNothing(t *testing.T) {
	for n, step := range []string{"claim", "publish"} {
		for _, acts := range []bool{false, true} {
			t.Run(fmt.Sprintf("at the %s, acting %v", step, acts), func(t *testing.T) {
				site.BothPlaces(t, func(t *testing.T, c *site.Site) {
					r, other := c.Replica(), c.Replica()
					v := r.SignIn(site.Demo)
					old := v.Copy()
					time.Sleep(site.UntilDue)
					c.Ledger.FailNthSwap(int64(n)+1, acts)
					require.Equal(t, http.StatusOK, v.Get(r, "/inbox").StatusCode)
					time.Sleep(5 * time.Second)
					assert.Equal(t, http.StatusOK, v.Get(r, "/inbox").StatusCode)
					assert.Equal(t, http.StatusOK, old.Get(other, "/inbox").StatusCode)
					assert.Equal(t, 1, c.Refreshes())
					assert.Equal(t, 1, c.Grid.LiveTokens(site.Demo.ID))
				})
			})
		}
	}
}

// A Redis that has become a replica reads and does not write. Nothing may spin
// on it.
func TestALedgerThatReadsButDoesNotWriteIsNotHammered(t *testing.T) {
	neverSwaps := site.LedgerFault(func(func() error) error { return nil }) // swapped stays false
	for name, fault := range map[string]*site.LedgerFault{"writes fail": &site.LedgerDown, "writes never swap": &neverSwaps} {
		t.Run(name, func(t *testing.T) {
			for at, wait := range map[string]time.Duration{"due": site.UntilDue, "urgent": untilUrgent} {
				t.Run(at, func(t *testing.T) {
					site.InBubble(t, func(t *testing.T, r *site.Site) {
						v := r.SignInEarlier(site.Demo)
						time.Sleep(wait)
						before := r.Ledger.Swaps.Load()
						r.Ledger.OnSwap.Store(fault)
						assert.Equal(t, http.StatusOK, v.Get(r, "/inbox").StatusCode)
						assert.LessOrEqual(t, r.Ledger.Swaps.Load()-before, int64(40))
						assert.NotEmpty(t, r.Events.Of(ecgridsession.LedgerUnavailable))
						if at == "urgent" {
							assert.Equal(t, 1, r.Refreshes())
						}
						time.Sleep(5 * time.Second)
						r.Ledger.Recover()
						time.Sleep(5 * time.Second)
						assert.Equal(t, http.StatusOK, v.Get(r, "/inbox").StatusCode)
						assert.Equal(t, 1, r.Refreshes())
					})
				})
			}
		})
	}
}

func TestALedgerThatStopsWritingWithinARefreshIsNotHammered(t *testing.T) {
	site.InBubble(t, func(t *testing.T, r *site.Site) {
		v := r.SignInEarlier(site.Demo)
		old := v.Copy()
		time.Sleep(site.UntilDue)
		r.Grid.Inject(ecgridtest.Fault{Path: site.RefreshCall, Delay: 800 * time.Millisecond})
		time.AfterFunc(500*time.Millisecond, r.Ledger.RefuseSwaps)
		before := r.Ledger.Swaps.Load()
		require.Equal(t, http.StatusOK, v.Get(r, "/inbox").StatusCode)
		time.Sleep(30 * time.Second)
		assert.Less(t, r.Ledger.Swaps.Load()-before, int64(100))
		r.Ledger.Recover()
		time.Sleep(10 * time.Second)
		assert.Equal(t, http.StatusOK, old.Get(r, "/inbox").StatusCode)
		assert.Equal(t, 1, r.Refreshes())
	})
}

// Without the ledger there is no backoff to be read from it.
func TestWithoutTheLedgerAnUpstreamOutageIsNotAnsweredWithAStorm(t *testing.T) {
	for name, fault := range map[string]ecgridtest.Fault{
		"503": {Status: http.StatusServiceUnavailable}, "cut": {Reset: true}, "401": {Status: http.StatusUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			site.InBubble(t, func(t *testing.T, r *site.Site) {
				v := r.SignIn(site.Demo)
				time.Sleep(15*time.Minute - 29*time.Second)
				r.Ledger.RefuseAll()
				fault.Path = site.RefreshCall
				r.Grid.Inject(fault)
				for range 28 * 5 {
					v.Copy().Post(r, "/inbox")
					time.Sleep(200 * time.Millisecond)
				}
				assert.LessOrEqual(t, r.Refreshes(), 10)
				assert.GreaterOrEqual(t, r.Refreshes(), 2)
				assert.Empty(t, r.Events.Of(ecgridsession.SessionEnded))
			})
		})
	}
}

// Without a claim, ECGrid's refusal may only mean that another replica has a
// newer token: the ledger will say.
func TestARefusedRefreshWithoutTheLedgerKeepsTheSession(t *testing.T) {
	site.InBubble(t, func(t *testing.T, r *site.Site) {
		other := r.Replica()
		v := r.SignIn(site.Demo)
		old := v.Copy()
		time.Sleep(untilUrgent)
		require.Equal(t, http.StatusOK, v.Get(r, "/inbox").StatusCode)
		r.Ledger.RefuseAll()
		cookie := old.Cookie
		got := old.Get(other, "/private", site.Click...)
		assert.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
		assert.Empty(t, got.SessionCookies())
		require.Equal(t, cookie, old.Cookie)
		require.Equal(t, 2, r.Refreshes())
		r.Ledger.Recover()
		assert.Equal(t, http.StatusOK, old.Get(other, "/inbox").StatusCode)
		assert.Empty(t, other.Events.Of(ecgridsession.SessionEnded))
	})
}

// In an outage of the ledger many tokens wait to be published. They must not
// keep others from being refreshed.
func TestManyUnpublishedTokensKeepNobodyFromRefreshing(t *testing.T) {
	site.InBubble(t, func(t *testing.T, r *site.Site) {
		const users, late = 4200, 100
		visitors := make([]*site.Visitor, users)
		for i := range visitors {
			user := ecgridtest.User{ID: int64(i + 1), Login: fmt.Sprint("user", i), Password: "pw"}
			r.Grid.AddUser(user)
			visitors[i] = r.SignInEarlier(user)
		}
		time.Sleep(untilUrgent)
		r.Ledger.RefuseAll()
		for i, v := range visitors[late:] {
			require.Equal(t, http.StatusOK, v.Get(r, "/inbox").StatusCode, "user %d", i)
		}
		r.Grid.Inject(ecgridtest.Fault{Path: site.RefreshCall, Delay: time.Second})
		site.AtOnce(late, func(i int) { visitors[i].Get(r, "/inbox") })
		assert.Equal(t, users, r.Refreshes())
		r.Ledger.Recover()
		time.Sleep(time.Minute)
	})
}

func TestALedgerThatHangsCostsARefreshABoundedTime(t *testing.T) {
	site.InBubble(t, func(t *testing.T, r *site.Site) {
		v := r.SignInEarlier(site.Demo)
		time.Sleep(untilUrgent)
		var hanging atomic.Int64
		hang := &hangingLedger{Ledger: r.Ledger, calls: &hanging}
		slow := r.Replica(func(cfg *ecgridsession.Config) { cfg.Ledger = hang })
		began := time.Now()
		assert.Equal(t, http.StatusOK, v.Get(slow, "/inbox").StatusCode)
		assert.LessOrEqual(t, time.Since(began), 2*time.Second)
		assert.Equal(t, 1, r.Refreshes())
		assert.NotZero(t, hanging.Load())
	})
}

// hangingLedger answers when its context is done, and not before.
type hangingLedger struct {
	ecgridsession.Ledger
	calls *atomic.Int64
}

func (l *hangingLedger) Load(ctx context.Context, _ ...string) ([][]byte, error) {
	l.calls.Add(1)
	<-ctx.Done()
	return nil, ctx.Err()
}

func (l *hangingLedger) CompareAndSwap(ctx context.Context, _ string, _, _ []byte, _ time.Duration) (bool, error) {
	l.calls.Add(1)
	<-ctx.Done()
	return false, ctx.Err()
}
