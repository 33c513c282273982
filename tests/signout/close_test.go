package signout

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

func TestCloseGivesWhatWaitsOneLastTryAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		fault ecgridtest.Fault
		kind  ecgridsession.EventKind
		live  int
	}{
		"which succeeds": {ecgridtest.Fault{Times: 3, Status: 503}, ecgridsession.RevocationDone, 0},
		"which fails":    {ecgridtest.Fault{Status: 503}, ecgridsession.RevocationGaveUp, 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newBackground(t)
				var cookies []*http.Cookie
				for range 3 {
					cookies = append(cookies, p.signedIn())
				}
				c.fault.Path = site.LogoutCall
				p.Grid.Inject(c.fault)
				for _, cookie := range cookies {
					p.signOut(cookie)
				}
				began := time.Now()
				require.NoError(t, p.close(time.Minute))
				assert.Zero(t, time.Since(began))
				assert.Len(t, p.Grid.Calls(site.LogoutCall), 6)
				assert.Len(t, p.Events.Of(c.kind), 3)
				assert.Equal(t, c.live, p.Grid.LiveTokens(site.Demo.ID))
				time.Sleep(anHour)
				assert.Len(t, p.Grid.Calls(site.LogoutCall), 6)
			})
		})
	}
}

func TestCloseReportsWhatItLeavesWhenItsContextEnds(t *testing.T) {
	eachBackground(t, func(t *testing.T, p *background, signedIn func() *http.Cookie) {
		var cookies []*http.Cookie
		for range 20 {
			cookies = append(cookies, signedIn())
		}
		p.Grid.Inject(ecgridtest.Fault{Path: site.LogoutCall, Times: 20, Status: 503})
		p.Grid.Inject(ecgridtest.Fault{Path: site.LogoutCall, Hang: true})
		for _, cookie := range cookies {
			p.signOut(cookie)
		}
		began := time.Now()
		err := p.close(2 * time.Second)
		assert.Equal(t, 2*time.Second, time.Since(began))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.ErrorContains(t, err, "20 revocations")
		synctest.Wait()
		assert.Len(t, p.Events.Of(ecgridsession.RevocationGaveUp), 20, "each is told, those that never had a turn among them")
		assert.Zero(t, p.inFlight.Load())
		assert.NoError(t, p.close(time.Second), "nothing is left by now")
	})
}

func TestCloseWithACancelledContextDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newBackground(t)
		cookie := p.signedIn()
		p.Grid.Inject(ecgridtest.Fault{Path: site.LogoutCall, Times: 1, Status: 503})
		p.Grid.Inject(ecgridtest.Fault{Path: site.LogoutCall, Hang: true})
		p.signOut(cookie)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		began := time.Now()
		require.ErrorIs(t, p.Middleware.Close(ctx), context.Canceled)
		assert.Zero(t, time.Since(began))
	})
}

func TestCloseIsDoneAtOnceWhereNothingIsUnderWayAndMayBeRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newBackground(t)
		p.signOut(p.signedIn())
		var all sync.WaitGroup
		began := time.Now()
		for range 5 {
			all.Go(func() { assert.NoError(t, p.close(time.Minute)) })
		}
		all.Wait()
		assert.Zero(t, time.Since(began))
	})
}

func TestSeveralCallsOfCloseWaitForTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newBackground(t)
		cookie := p.signedIn()
		p.Grid.Inject(ecgridtest.Fault{Path: site.LogoutCall, Times: 1, Status: 503})
		p.Grid.Inject(ecgridtest.Fault{Path: site.LogoutCall, Delay: 3 * time.Second})
		p.signOut(cookie)
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				began := time.Now()
				assert.NoError(t, p.close(time.Minute))
				assert.Equal(t, 3*time.Second, time.Since(began))
			})
		}
		all.Wait()
		assert.Len(t, p.Events.Of(ecgridsession.RevocationDone), 1)
	})
}

func TestCloseWaitsForASignOutUnderWay(t *testing.T) {
	for name, c := range map[string]struct {
		fault   ecgridtest.Fault
		outcome ecgridsession.LogoutOutcome
		calls   int
		gaveUp  int
	}{
		"which succeeds": {ecgridtest.Fault{Delay: 2 * time.Second}, ecgridsession.LogoutConfirmed, 1, 0},
		"which fails, and whose last try does so": {ecgridtest.Fault{Delay: 2 * time.Second, Status: 503}, site.Pending, 2, 1},
	} {
		t.Run(name, func(t *testing.T) {
			eachBackground(t, func(t *testing.T, p *background, signedIn func() *http.Cookie) {
				cookie := signedIn()
				c.fault.Path = site.LogoutCall
				p.Grid.Inject(c.fault)
				go p.signOut(cookie)
				synctest.Wait()
				began := time.Now()
				require.NoError(t, p.close(time.Minute))
				assert.Equal(t, time.Duration(c.calls)*2*time.Second, time.Since(began), "no waiting between the tries")
				out := p.Events.Of(ecgridsession.LoggedOut)
				require.Len(t, out, 1, "Close has returned, so it is decided what came of it")
				assert.Equal(t, c.outcome, out[0].Outcome)
				assert.Len(t, p.Events.Of(ecgridsession.RevocationGaveUp), c.gaveUp)
				assert.Len(t, p.Grid.Calls(site.LogoutCall), c.calls)
			})
		})
	}
}

func TestCloseReportsASignOutThatOutlastsIt(t *testing.T) {
	eachBackground(t, func(t *testing.T, p *background, signedIn func() *http.Cookie) {
		cookie := signedIn()
		p.Grid.Inject(ecgridtest.Fault{Path: site.LogoutCall, Hang: true})
		go p.signOut(cookie)
		synctest.Wait()
		err := p.close(time.Second)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.ErrorContains(t, err, "1 revocation")
		time.Sleep(anHour)
		assert.Len(t, p.Events.Of(ecgridsession.RevocationGaveUp), 1)
		assert.Len(t, p.Grid.Calls(site.LogoutCall), 1)
	})
}

func TestSigningOutAfterCloseWorksAndIsNotRetried(t *testing.T) {
	eachBackground(t, func(t *testing.T, p *background, signedIn func() *http.Cookie) {
		first, second := signedIn(), signedIn()
		require.NoError(t, p.close(time.Second))
		p.signOut(first)
		assert.Equal(t, ecgridsession.LogoutConfirmed, p.Events.Of(ecgridsession.LoggedOut)[0].Outcome)

		p.Grid.Inject(ecgridtest.Fault{Path: site.LogoutCall, Times: 1, Status: 503})
		got, _ := p.signOut(second)
		site.RequireDeletion(t, got)
		assert.False(t, p.opens(second))
		assert.Len(t, p.Events.Of(ecgridsession.RevocationGaveUp), 1)
		time.Sleep(anHour)
		assert.Len(t, p.Grid.Calls(site.LogoutCall), 2)
	})
}
