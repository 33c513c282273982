package tests

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// untilUrgent takes a session to the last quarter of its token's lead, where it
// is refreshed even without the ledger.
const untilUrgent = 15*time.Minute - 20*time.Second

// inTimeBubble runs a property of sessions whose token is in the cookie: without the
// ledger the others have none.
func inTimeBubble(t *testing.T, property func(t *testing.T, c *cluster, r *replica)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		property(t, c, c.replica())
	})
}

func TestATokenThatWillLastWaitsForTheLedger(t *testing.T) {
	inTimeBubble(t, func(t *testing.T, c *cluster, r *replica) {
		v := r.signIn(demo)
		time.Sleep(untilDue)
		c.ledger.refuseAll()
		assert.Equal(t, http.StatusOK, v.get(r, "/call").StatusCode, "the token so far goes on")
		assert.Zero(t, c.refreshes())
		c.ledger.recover()
		v.get(r, "/private")
		assert.Equal(t, 1, c.refreshes())
	})
}

func TestAnUrgentTokenIsRefreshedWithoutTheLedgerAndPublishedWhenThatIsBack(t *testing.T) {
	inTimeBubble(t, func(t *testing.T, c *cluster, r *replica) {
		v := r.signIn(demo)
		old := v.copy()
		time.Sleep(untilUrgent)
		c.ledger.refuseAll()
		atOnce(100, func(i int) {
			one := v
			if i > 0 {
				one = old.copy() // v takes over its new cookie meanwhile
			}
			assert.Equal(t, http.StatusOK, one.get(r, "/call").StatusCode)
		})
		assert.Equal(t, 1, c.refreshes())
		assert.NotEqual(t, old.cookie, v.cookie, "meanwhile the cookie carries it")
		time.Sleep(40 * time.Second)
		assert.Equal(t, http.StatusOK, v.get(r, "/call").StatusCode)

		c.ledger.recover()
		time.Sleep(10 * time.Second)
		other := c.replica()
		assert.Equal(t, http.StatusOK, old.get(other, "/call").StatusCode, "another replica knows it by the ledger")
		assert.Equal(t, 1, c.refreshes())
		assert.Empty(t, r.events.of(ecgridsession.SessionEnded))
	})
}

// The answer to a POST carries no new cookie, so only this process knows the
// token until the ledger does.
func TestATokenThatTheLedgerDoesNotKnowYetIsFoundInThisProcess(t *testing.T) {
	for name, back := range map[string]bool{"the ledger is still down": false, "the ledger has just come back": true} {
		t.Run(name, func(t *testing.T) {
			inTimeBubble(t, func(t *testing.T, c *cluster, r *replica) {
				v := r.signIn(demo)
				time.Sleep(untilUrgent)
				c.ledger.refuseAll()
				require.Equal(t, http.StatusOK, v.post(r, "/call").StatusCode)
				if back {
					c.ledger.recover()
				}
				for _, method := range []string{http.MethodPost, http.MethodGet} {
					assert.Equal(t, http.StatusOK, v.copy().send(r, method, "/call").StatusCode, method)
				}
				assert.Equal(t, 1, c.refreshes())
				assert.Empty(t, r.events.of(ecgridsession.SessionEnded))
				v.get(r, "/")
				time.Sleep(30 * time.Second)
				assert.Equal(t, http.StatusOK, v.get(r, "/call").StatusCode)
				assert.Equal(t, 1, c.refreshes())
			})
		})
	}
}

func TestATokenThatTheLedgerDoesNotKnowYetServesOlderCookiesToo(t *testing.T) {
	inTimeBubble(t, func(t *testing.T, c *cluster, r *replica) {
		older := r.signIn(demo)
		token := func(at *replica) string {
			got := older.copy().get(at, "/token")
			require.Equal(t, http.StatusOK, got.StatusCode, got.body)
			return got.body
		}
		first := token(r)
		c.ledger.refuseAll()
		time.Sleep(untilUrgent)
		second := token(r)
		require.False(t, first == second)
		assert.True(t, second == token(r), "the newer token is not forgotten")

		// Back, and not told yet: a claim now would end the session, since the
		// older token is refused.
		c.ledger.recover()
		assert.True(t, second == token(r))
		assert.Equal(t, 1, c.refreshes())

		time.Sleep(time.Minute)
		assert.True(t, second == token(c.replica()), "the newer token is published")
		assert.Equal(t, 1, c.refreshes())
	})
}

func TestAnOutageThatOutlastsTokensEndsWithTheNewestPublished(t *testing.T) {
	inTimeBubble(t, func(t *testing.T, c *cluster, r *replica) {
		v := r.signIn(demo)
		time.Sleep(untilUrgent)
		c.ledger.refuseAll()
		for range 3 {
			require.Equal(t, http.StatusOK, v.get(r, "/call").StatusCode)
			time.Sleep(untilUrgent)
		}
		before := v.copy()
		require.Equal(t, http.StatusOK, v.get(r, "/call").StatusCode)
		c.ledger.recover()
		time.Sleep(5 * time.Second)
		assert.Equal(t, http.StatusOK, before.get(c.replica(), "/call").StatusCode)
		assert.Equal(t, 4, c.refreshes())
		for _, e := range r.events.of(ecgridsession.LedgerUnavailable) {
			assert.NotContains(t, e.Err.Error(), "not published", "each was, or had a successor")
		}
	})
}

// Signing out wins over a token that is still to be published.
func TestATokenThatWasNotPublishedIsRevokedAfterSignOut(t *testing.T) {
	inTimeBubble(t, func(t *testing.T, c *cluster, r *replica) {
		v := r.signIn(demo)
		old := v.copy()
		time.Sleep(untilUrgent)
		c.ledger.refuseAll()
		require.Equal(t, http.StatusOK, v.post(r, "/call").StatusCode)
		c.ledger.recover()
		require.Equal(t, http.StatusSeeOther, v.post(r, "/logout").StatusCode)
		assert.Equal(t, "anonymous", old.get(r, "/").body)
		time.Sleep(time.Minute)
		assert.Equal(t, "anonymous", old.get(r, "/").body)
		assert.Zero(t, c.api.LiveTokens(demo.ID))
	})
}

// A ledger that comes back is told of the token before any other replica may
// take the claim over, ask ECGrid with the old token, and end the session on its
// refusal.
func TestAPublishIsNotOvertakenByTheEndOfItsLease(t *testing.T) {
	for outage := 3 * time.Second; outage < time.Minute; outage += 3 * time.Second {
		t.Run(outage.String(), func(t *testing.T) {
			inTimeBubble(t, func(t *testing.T, c *cluster, r *replica) {
				other := c.replica()
				v := r.signIn(demo)
				old := v.copy()
				time.Sleep(untilDue)
				c.api.Inject(ecgridtest.Fault{Path: refreshCall, Delay: time.Second})
				go v.post(r, "/call")
				time.Sleep(500 * time.Millisecond) // it has claimed
				go old.copy().post(other, "/call") // this one waits for it
				time.Sleep(100 * time.Millisecond)
				c.ledger.refuseAll()
				time.Sleep(outage)
				c.ledger.recover()
				for range 30 {
					require.Equal(t, http.StatusOK, old.copy().post(other, "/call").StatusCode)
					time.Sleep(time.Second)
				}
				assert.Equal(t, 1, c.refreshes())
			})
		})
	}
}

func TestALedgerThatFailsOnceWithinARefreshCostsNothing(t *testing.T) {
	for n, step := range []string{"claim", "publish"} {
		for _, acts := range []bool{false, true} {
			t.Run(fmt.Sprintf("at the %s, acting %v", step, acts), func(t *testing.T) {
				bothPlaces(t, func(t *testing.T, c *cluster) {
					r, other := c.replica(), c.replica()
					v := r.signIn(demo)
					old := v.copy()
					time.Sleep(untilDue)
					c.ledger.failNthSwap(int64(n)+1, acts)
					require.Equal(t, http.StatusOK, v.get(r, "/call").StatusCode)
					time.Sleep(5 * time.Second)
					assert.Equal(t, http.StatusOK, v.get(r, "/call").StatusCode)
					assert.Equal(t, http.StatusOK, old.get(other, "/call").StatusCode)
					assert.Equal(t, 1, c.refreshes())
					assert.Equal(t, 1, c.api.LiveTokens(demo.ID))
				})
			})
		}
	}
}

// A Redis that has become a replica reads and does not write. Nothing may spin
// on it.
func TestALedgerThatReadsButDoesNotWriteIsNotHammered(t *testing.T) {
	neverSwaps := ledgerTrouble(func(func() error) error { return nil }) // swapped stays false
	for name, fault := range map[string]*ledgerTrouble{"writes fail": &ledgerDown, "writes never swap": &neverSwaps} {
		t.Run(name, func(t *testing.T) {
			for at, wait := range map[string]time.Duration{"due": untilDue, "urgent": untilUrgent} {
				t.Run(at, func(t *testing.T) {
					inTimeBubble(t, func(t *testing.T, c *cluster, r *replica) {
						v := r.signIn(demo)
						time.Sleep(wait)
						before := c.ledger.swaps.Load()
						c.ledger.swap.Store(fault)
						assert.Equal(t, http.StatusOK, v.get(r, "/call").StatusCode)
						assert.LessOrEqual(t, c.ledger.swaps.Load()-before, int64(40))
						assert.NotEmpty(t, r.events.of(ecgridsession.LedgerUnavailable))
						if at == "urgent" {
							assert.Equal(t, 1, c.refreshes())
						}
						time.Sleep(5 * time.Second)
						c.ledger.recover()
						time.Sleep(5 * time.Second)
						assert.Equal(t, http.StatusOK, v.get(r, "/call").StatusCode)
						assert.Equal(t, 1, c.refreshes())
					})
				})
			}
		})
	}
}

func TestALedgerThatStopsWritingWithinARefreshIsNotHammered(t *testing.T) {
	inTimeBubble(t, func(t *testing.T, c *cluster, r *replica) {
		v := r.signIn(demo)
		old := v.copy()
		time.Sleep(untilDue)
		c.api.Inject(ecgridtest.Fault{Path: refreshCall, Delay: time.Second})
		time.AfterFunc(500*time.Millisecond, c.ledger.refuseSwaps)
		before := c.ledger.swaps.Load()
		require.Equal(t, http.StatusOK, v.get(r, "/call").StatusCode)
		time.Sleep(30 * time.Second)
		assert.Less(t, c.ledger.swaps.Load()-before, int64(100))
		c.ledger.recover()
		time.Sleep(10 * time.Second)
		assert.Equal(t, http.StatusOK, old.get(r, "/call").StatusCode)
		assert.Equal(t, 1, c.refreshes())
	})
}

// Without the ledger there is no backoff to be read from it.
func TestWithoutTheLedgerAnUpstreamOutageIsNotAnsweredWithAStorm(t *testing.T) {
	for name, fault := range map[string]ecgridtest.Fault{
		"503": {Status: http.StatusServiceUnavailable}, "cut": {Reset: true}, "401": {Status: http.StatusUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			inTimeBubble(t, func(t *testing.T, c *cluster, r *replica) {
				v := r.signIn(demo)
				time.Sleep(15*time.Minute - 29*time.Second)
				c.ledger.refuseAll()
				fault.Path = refreshCall
				c.api.Inject(fault)
				for range 28 * 5 {
					v.copy().post(r, "/call")
					time.Sleep(200 * time.Millisecond)
				}
				assert.LessOrEqual(t, c.refreshes(), 10)
				assert.GreaterOrEqual(t, c.refreshes(), 2)
				assert.Empty(t, r.events.of(ecgridsession.SessionEnded))
			})
		})
	}
}

// Without a claim, ECGrid's refusal may only mean that another replica has a
// newer token: the ledger will say.
func TestARefusedRefreshWithoutTheLedgerKeepsTheSession(t *testing.T) {
	inTimeBubble(t, func(t *testing.T, c *cluster, r *replica) {
		other := c.replica()
		v := r.signIn(demo)
		old := v.copy()
		time.Sleep(untilUrgent)
		require.Equal(t, http.StatusOK, v.get(r, "/call").StatusCode)
		c.ledger.refuseAll()
		cookie := old.cookie
		got := old.get(other, "/private", click...)
		assert.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
		assert.Empty(t, got.sessionCookies())
		require.Equal(t, cookie, old.cookie)
		require.Equal(t, 2, c.refreshes())
		c.ledger.recover()
		assert.Equal(t, http.StatusOK, old.get(other, "/call").StatusCode)
		assert.Empty(t, other.events.of(ecgridsession.SessionEnded))
	})
}

// In an outage of the ledger many tokens wait to be published. They must not
// keep others from being refreshed.
func TestManyUnpublishedTokensKeepNobodyFromRefreshing(t *testing.T) {
	inTimeBubble(t, func(t *testing.T, c *cluster, r *replica) {
		const users, late = 4200, 100
		visitors := make([]*visitor, users)
		for i := range visitors {
			user := ecgridtest.User{ID: int64(i + 1), Login: fmt.Sprint("user", i), Password: "pw"}
			c.api.AddUser(user)
			visitors[i] = r.signIn(user)
		}
		time.Sleep(untilUrgent)
		c.ledger.refuseAll()
		for i, v := range visitors[late:] {
			require.Equal(t, http.StatusOK, v.get(r, "/call").StatusCode, "user %d", i)
		}
		c.api.Inject(ecgridtest.Fault{Path: refreshCall, Delay: time.Second})
		atOnce(late, func(i int) { visitors[i].get(r, "/call") })
		assert.Equal(t, users, c.refreshes())
		c.ledger.recover()
		time.Sleep(time.Minute)
	})
}

func TestALedgerThatHangsCostsARefreshABoundedTime(t *testing.T) {
	inTimeBubble(t, func(t *testing.T, c *cluster, r *replica) {
		v := r.signIn(demo)
		time.Sleep(untilUrgent)
		var hanging atomic.Int64
		hang := &hangingLedger{Ledger: c.ledger, calls: &hanging}
		slow := c.replica(func(cfg *ecgridsession.Config) { cfg.Ledger = hang })
		began := time.Now()
		assert.Equal(t, http.StatusOK, v.get(slow, "/call").StatusCode)
		assert.LessOrEqual(t, time.Since(began), 2*time.Second)
		assert.Equal(t, 1, c.refreshes())
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
