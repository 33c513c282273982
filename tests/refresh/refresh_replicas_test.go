package refresh

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
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

func TestAHundredRequestsOnEachOfTwoReplicasMakeOneRefreshCall(t *testing.T) {
	for _, apart := range []time.Duration{0, 5 * time.Minute, -5 * time.Minute} {
		t.Run("clocks apart by "+apart.String(), func(t *testing.T) {
			site.BothPlaces(t, func(t *testing.T, c *site.Site) {
				rs := []*site.Site{c.Replica(), c.Replica().AheadBy(apart)}
				v := rs[0].SignIn(site.Demo)
				before := v.Token(rs[0])
				time.Sleep(site.UntilDue)
				c.Grid.Inject(ecgridtest.Fault{Path: site.RefreshCall, Delay: time.Second / 2})

				tokens := make([]string, 200)
				site.AtOnce(len(tokens), func(i int) {
					got := v.Copy().Post(rs[i%2], "/token")
					assert.Equal(t, http.StatusOK, got.StatusCode, got.Text)
					tokens[i] = got.Text
				})
				assert.Equal(t, 1, c.Refreshes())
				assert.Equal(t, 1, c.Grid.LiveTokens(site.Demo.ID))
				after := v.Token(rs[0])
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
			site.BothPlaces(t, func(t *testing.T, c *site.Site) {
				rs := []*site.Site{c.Replica(), c.Replica().AheadBy(apart)}
				v := rs[0].SignIn(site.Demo)
				time.Sleep(5 * time.Minute) // a session from the future opens nowhere
				for i := range 4 * 60 * 4 {
					time.Sleep(15 * time.Second)
					got := v.Get(rs[i%2], "/inbox")
					require.Equal(t, http.StatusOK, got.StatusCode, "after %d requests", i)
				}
				// Four hours of tokens of 15 minutes, refreshed 2 to 7 minutes
				// early: by the clock that is ahead.
				assert.GreaterOrEqual(t, c.Refreshes(), 4*60/15)
				assert.LessOrEqual(t, c.Refreshes(), 4*60/8+1)
				for _, call := range c.Grid.Calls(site.RefreshCall) {
					assert.Equal(t, http.StatusOK, call.Status, "no token was refreshed twice")
				}
			})
		})
	}
}

func TestARequestWaitsForTheRefreshOfAnotherReplica(t *testing.T) {
	site.BothPlaces(t, func(t *testing.T, c *site.Site) {
		r, other := c.Replica(), c.Replica()
		v := r.SignIn(site.Demo)
		time.Sleep(site.UntilDue)
		c.Grid.Inject(ecgridtest.Fault{Path: site.RefreshCall, Delay: 4 * time.Second})
		var first sync.WaitGroup
		first.Go(func() { v.Copy().Post(r, "/token") })
		synctest.Wait()

		began := time.Now()
		assert.Equal(t, http.StatusOK, v.Copy().Post(other, "/inbox").StatusCode)
		assert.Less(t, time.Since(began), 4500*time.Millisecond)
		first.Wait()
		assert.Equal(t, 1, c.Refreshes())
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

func newStuck(c *site.Site) *stuck {
	return &stuck{next: site.HandlerTransport{Handler: c.Grid}, ask: make(chan struct{}), deliver: make(chan struct{})}
}

func (s *stuck) through(cfg *ecgridsession.Config) { cfg.BaseTransport = s }

// RoundTrip implements [http.RoundTripper].
func (s *stuck) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path != site.RefreshCall {
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
			site.BothPlaces(t, func(t *testing.T, c *site.Site) {
				dead := newStuck(c)
				r, other := c.Replica(dead.through), c.Replica().AheadBy(apart)
				v := other.SignInEarlier(site.Demo)
				time.Sleep(13*time.Minute + time.Second)
				go v.Copy().Post(r, "/token")
				synctest.Wait()

				began := time.Now()
				site.AtOnce(100, func(int) {
					assert.Equal(t, http.StatusOK, v.Copy().Post(other, "/inbox").StatusCode)
				})
				patience := 2 * time.Second // the token is good, but not by a clock that is ahead
				if apart > 0 {
					patience = 6 * time.Second
				}
				assert.Less(t, time.Since(began), patience)
				for c.Refreshes() == 0 {
					time.Sleep(100 * time.Millisecond)
					assert.Equal(t, http.StatusOK, v.Copy().Post(other, "/inbox").StatusCode)
				}
				assert.GreaterOrEqual(t, time.Since(began), 30*time.Second, "not before the lease is over")
				assert.Less(t, time.Since(began), 32*time.Second)
				assert.Equal(t, 1, c.Refreshes())
				assert.Equal(t, http.StatusOK, v.Get(other, "/inbox").StatusCode)
				close(dead.ask)
				close(dead.deliver)
			})
		})
	}
}

// Its call went out late, with a token that another replica has refreshed
// meanwhile. ECGrid's refusal of that is no verdict on the session.
func TestAHolderThatWakesAndIsRefusedEndsNothing(t *testing.T) {
	site.BothPlaces(t, func(t *testing.T, c *site.Site) {
		asleep := newStuck(c)
		r, other := c.Replica(asleep.through), c.Replica()
		v := other.SignInEarlier(site.Demo)
		time.Sleep(13*time.Minute + time.Second)
		var late site.Answer
		var woken sync.WaitGroup
		woken.Go(func() { late = v.Copy().Post(r, "/token") })
		synctest.Wait()
		for c.Refreshes() == 0 { // until the lease is over, and it takes over
			time.Sleep(time.Second)
			require.Equal(t, http.StatusOK, v.Copy().Post(other, "/inbox").StatusCode)
		}
		require.Equal(t, 1, c.Refreshes())

		// HandlerTransport does not look at the context, so the refusal arrives.
		close(asleep.ask)
		close(asleep.deliver)
		woken.Wait()
		synctest.Wait()
		assert.Equal(t, 2, c.Refreshes())
		assert.Equal(t, http.StatusOK, late.StatusCode)
		assert.True(t, v.Copy().Token(r) == v.Token(other), "it goes on with the other's token")
		assert.Equal(t, http.StatusOK, v.Get(r, "/inbox").StatusCode)
		assert.Empty(t, r.Events.Of(ecgridsession.SessionEnded))
	})
}

// ECGrid gave it a token, but nobody else knows: those who take over are
// refused, and the session ends. What it publishes late must fail, and be
// revoked.
func TestAHolderThatWakesWithATokenRevokesIt(t *testing.T) {
	site.BothPlaces(t, func(t *testing.T, c *site.Site) {
		asleep := newStuck(c)
		r, other := c.Replica(asleep.through), c.Replica()
		v := other.SignIn(site.Demo)
		time.Sleep(13*time.Minute + time.Second)
		close(asleep.ask)
		var woken sync.WaitGroup
		woken.Go(func() { v.Copy().Post(r, "/token") })
		synctest.Wait()
		require.True(t, asleep.asked.Load())
		require.Equal(t, 1, c.Grid.LiveTokens(site.Demo.ID))
		began := time.Now()
		for v.Copy().Get(other, "/private").StatusCode != http.StatusUnauthorized {
			time.Sleep(time.Second)
			require.Less(t, time.Since(began), time.Minute)
		}
		assert.Len(t, other.Events.Of(ecgridsession.SessionEnded), 1)

		close(asleep.deliver)
		woken.Wait()
		assert.Equal(t, "anonymous", v.Copy().Get(r, "/").Text)
		time.Sleep(time.Second)
		assert.Zero(t, c.Grid.LiveTokens(site.Demo.ID))
	})
}

// A holder that wakes with its token before anybody took over goes on.
func TestAHolderThatWakesInTimePublishes(t *testing.T) {
	site.BothPlaces(t, func(t *testing.T, c *site.Site) {
		asleep := newStuck(c)
		r, other := c.Replica(asleep.through), c.Replica()
		v := other.SignIn(site.Demo)
		time.Sleep(13*time.Minute + time.Second)
		close(asleep.ask)
		var waiting sync.WaitGroup
		waiting.Go(func() { v.Copy().Post(r, "/token") })
		synctest.Wait()
		waiting.Go(func() { assert.Equal(t, http.StatusOK, v.Copy().Post(other, "/inbox").StatusCode) })
		time.Sleep(900 * time.Millisecond)
		close(asleep.deliver)
		waiting.Wait()
		assert.Equal(t, http.StatusOK, v.Get(r, "/inbox").StatusCode)
		assert.Equal(t, 1, c.Refreshes())
	})
}

// A replica whose clock is behind does not know that the token was due, and
// finds the new one in the ledger all the same.
func TestAReplicaWhoseClockIsBehindUsesTheNewToken(t *testing.T) {
	site.BothPlaces(t, func(t *testing.T, c *site.Site) {
		r, behind := c.Replica(), c.Replica().AheadBy(-5*time.Minute)
		v := r.SignIn(site.Demo)
		old := v.Copy()
		time.Sleep(site.UntilDue)
		v.Get(r, "/private")
		require.Equal(t, 1, c.Refreshes())
		assert.Equal(t, http.StatusOK, old.Get(behind, "/inbox").StatusCode)
		assert.Equal(t, http.StatusOK, old.Post(behind, "/inbox").StatusCode)
		assert.Equal(t, 1, c.Refreshes())
	})
}
