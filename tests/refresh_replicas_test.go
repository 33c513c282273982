package tests

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

func TestAHundredRequestsOnEachOfTwoReplicasMakeOneRefreshCall(t *testing.T) {
	for _, apart := range []time.Duration{0, 5 * time.Minute, -5 * time.Minute} {
		t.Run("clocks apart by "+apart.String(), func(t *testing.T) {
			bothPlaces(t, func(t *testing.T, c *cluster) {
				rs := []*replica{c.replica(), c.replica().aheadBy(apart)}
				v := rs[0].signIn(demo)
				before := v.token(rs[0])
				time.Sleep(untilDue)
				c.api.Inject(ecgridtest.Fault{Path: refreshCall, Delay: time.Second})

				tokens := make([]string, 200)
				atOnce(len(tokens), func(i int) {
					got := v.copy().post(rs[i%2], "/token")
					assert.Equal(t, http.StatusOK, got.StatusCode, got.body)
					tokens[i] = got.body
				})
				assert.Equal(t, 1, c.refreshes())
				assert.Equal(t, 1, c.api.LiveTokens(demo.ID))
				after := v.token(rs[0])
				require.False(t, after == before)
				for i, token := range tokens {
					// To a replica whose clock is behind, the old one is not due
					// yet, and it is right to use it as long as nobody has
					// refreshed it.
					assert.True(t, token == after || i%2 == 1 && apart < 0 && token == before, "request %d", i)
				}
			})
		})
	}
}

func TestReplicasWithClocksApartRefreshEachTokenOnce(t *testing.T) {
	for _, apart := range []time.Duration{5 * time.Minute, -5 * time.Minute} {
		t.Run(apart.String(), func(t *testing.T) {
			bothPlaces(t, func(t *testing.T, c *cluster) {
				rs := []*replica{c.replica(), c.replica().aheadBy(apart)}
				v := rs[0].signIn(demo)
				time.Sleep(5 * time.Minute) // a session from the future opens nowhere
				for i := range 4 * 60 * 4 {
					time.Sleep(15 * time.Second)
					got := v.get(rs[i%2], "/call")
					require.Equal(t, http.StatusOK, got.StatusCode, "after %d requests", i)
				}
				// Four hours of tokens of 15 minutes, refreshed 2 to 7 minutes
				// early: by the clock that is ahead.
				assert.GreaterOrEqual(t, c.refreshes(), 4*60/15)
				assert.LessOrEqual(t, c.refreshes(), 4*60/8+1)
				for _, call := range c.api.Calls(refreshCall) {
					assert.Equal(t, http.StatusOK, call.Status, "no token was refreshed twice")
				}
			})
		})
	}
}

func TestARequestWaitsForTheRefreshOfAnotherReplica(t *testing.T) {
	bothPlaces(t, func(t *testing.T, c *cluster) {
		r, other := c.replica(), c.replica()
		v := r.signIn(demo)
		time.Sleep(untilDue)
		c.api.Inject(ecgridtest.Fault{Path: refreshCall, Delay: 4 * time.Second})
		var first sync.WaitGroup
		first.Go(func() { v.copy().post(r, "/token") })
		synctest.Wait()

		began := time.Now()
		assert.Equal(t, http.StatusOK, v.copy().post(other, "/call").StatusCode)
		assert.Less(t, time.Since(began), 4500*time.Millisecond)
		first.Wait()
		assert.Equal(t, 1, c.refreshes())
	})
}

// stuck is a RoundTripper that takes no notice of its context, as a process
// that has been stopped does not: a refresh through it reaches ECGrid when let
// go, and its answer comes back when let go once more.
type stuck struct {
	next         http.RoundTripper
	ask, deliver chan struct{} // closed: go on
	asked        atomic.Bool   // ECGrid has answered
}

func newStuck(c *cluster) *stuck {
	return &stuck{next: handlerTransport{c.api}, ask: make(chan struct{}), deliver: make(chan struct{})}
}

func (s *stuck) through(cfg *ecgridsession.Config) { cfg.BaseTransport = s }

// RoundTrip implements [http.RoundTripper].
func (s *stuck) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path != refreshCall {
		return s.next.RoundTrip(r)
	}
	<-s.ask
	resp, err := s.next.RoundTrip(r)
	s.asked.Store(true)
	<-s.deliver
	return resp, err
}

func TestAHolderThatDiesBeforeItsCallIsTakenOver(t *testing.T) {
	for _, apart := range []time.Duration{0, 5 * time.Minute} {
		t.Run("clocks apart by "+apart.String(), func(t *testing.T) {
			bothPlaces(t, func(t *testing.T, c *cluster) {
				dead := newStuck(c)
				r, other := c.replica(dead.through), c.replica().aheadBy(apart)
				v := other.signIn(demo)
				time.Sleep(13*time.Minute + time.Second)
				go v.copy().post(r, "/token")
				synctest.Wait()

				began := time.Now()
				atOnce(100, func(int) {
					assert.Equal(t, http.StatusOK, v.copy().post(other, "/call").StatusCode)
				})
				assert.GreaterOrEqual(t, time.Since(began), 10*time.Second, "not before the lease is over")
				assert.Less(t, time.Since(began), 11*time.Second)
				assert.Equal(t, 1, c.refreshes())
				assert.Equal(t, http.StatusOK, v.get(other, "/call").StatusCode)
				close(dead.ask)
				close(dead.deliver)
			})
		})
	}
}

// Its call went out late, with a token that another replica has refreshed
// meanwhile. ECGrid's refusal of that is no verdict on the session.
func TestAHolderThatWakesAndIsRefusedEndsNothing(t *testing.T) {
	bothPlaces(t, func(t *testing.T, c *cluster) {
		asleep := newStuck(c)
		r, other := c.replica(asleep.through), c.replica()
		v := other.signIn(demo)
		time.Sleep(13*time.Minute + time.Second)
		var late answer
		var woken sync.WaitGroup
		woken.Go(func() { late = v.copy().post(r, "/token") })
		synctest.Wait()
		require.Equal(t, http.StatusOK, v.copy().post(other, "/call").StatusCode) // the lease is over, and it took over
		require.Equal(t, 1, c.refreshes())

		// handlerTransport does not look at the context, so the refusal arrives.
		close(asleep.ask)
		close(asleep.deliver)
		woken.Wait()
		assert.Equal(t, 2, c.refreshes())
		assert.Equal(t, http.StatusOK, late.StatusCode)
		assert.True(t, late.body == v.token(other), "it goes on with the other's token")
		assert.Equal(t, http.StatusOK, v.get(r, "/call").StatusCode)
		assert.Empty(t, r.events.of(ecgridsession.SessionEnded))
	})
}

// ECGrid gave it a token, but nobody else knows: those who take over are
// refused, and the session ends. What it publishes late must fail, and be
// revoked.
func TestAHolderThatWakesWithATokenRevokesIt(t *testing.T) {
	bothPlaces(t, func(t *testing.T, c *cluster) {
		asleep := newStuck(c)
		r, other := c.replica(asleep.through), c.replica()
		v := other.signIn(demo)
		time.Sleep(13*time.Minute + time.Second)
		close(asleep.ask)
		var woken sync.WaitGroup
		woken.Go(func() { v.copy().post(r, "/token") })
		synctest.Wait()
		require.True(t, asleep.asked.Load())
		require.Equal(t, 1, c.api.LiveTokens(demo.ID))
		require.Equal(t, http.StatusUnauthorized, v.copy().get(other, "/private").StatusCode)
		assert.Len(t, other.events.of(ecgridsession.SessionEnded), 1)

		close(asleep.deliver)
		woken.Wait()
		assert.Equal(t, "anonymous", v.copy().get(r, "/").body)
		time.Sleep(time.Second)
		assert.Zero(t, c.api.LiveTokens(demo.ID))
	})
}

// A holder that wakes with its token before anybody took over goes on.
func TestAHolderThatWakesInTimePublishes(t *testing.T) {
	bothPlaces(t, func(t *testing.T, c *cluster) {
		asleep := newStuck(c)
		r, other := c.replica(asleep.through), c.replica()
		v := other.signIn(demo)
		time.Sleep(13*time.Minute + time.Second)
		close(asleep.ask)
		var waiting sync.WaitGroup
		waiting.Go(func() { v.copy().post(r, "/token") })
		synctest.Wait()
		waiting.Go(func() { assert.Equal(t, http.StatusOK, v.copy().post(other, "/call").StatusCode) })
		time.Sleep(9 * time.Second)
		close(asleep.deliver)
		waiting.Wait()
		assert.Equal(t, http.StatusOK, v.get(r, "/call").StatusCode)
		assert.Equal(t, 1, c.refreshes())
	})
}

// A replica whose clock is behind does not know that the token was due, and
// finds the new one in the ledger all the same.
func TestAReplicaWhoseClockIsBehindUsesTheNewToken(t *testing.T) {
	bothPlaces(t, func(t *testing.T, c *cluster) {
		r, behind := c.replica(), c.replica().aheadBy(-5*time.Minute)
		v := r.signIn(demo)
		old := v.copy()
		time.Sleep(untilDue)
		v.get(r, "/private")
		require.Equal(t, 1, c.refreshes())
		assert.Equal(t, http.StatusOK, old.get(behind, "/call").StatusCode)
		assert.Equal(t, http.StatusOK, old.post(behind, "/call").StatusCode)
		assert.Equal(t, 1, c.refreshes())
	})
}
