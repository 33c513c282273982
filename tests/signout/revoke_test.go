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

// Each test runs in a bubble, which ends only when every goroutine in it has:
// no revocation outlives its tries.

// anHour is far longer than the tries of one revocation may go on.
const anHour = time.Hour

func TestARevocationGoesOnInTheBackgroundAndIsReportedOnce(t *testing.T) {
	for name, fault := range map[string]ecgridtest.Fault{
		"503": {Status: 503}, "429": {Status: 429}, "a 401 that is not ECGrid's": {Status: 401, Body: "<html>"}, "reset": {Reset: true}, "HTML": {Body: "<html>"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newBackground(t)
				cookie := p.signedIn()
				fault.Path, fault.Times = site.LogoutCall, 2
				p.Grid.Inject(fault)
				got, took := p.signOut(cookie)
				assert.Zero(t, took, "nothing sleeps in the user's request")
				assert.Equal(t, http.StatusSeeOther, got.StatusCode)
				require.Equal(t, site.Pending, p.Events.Of(ecgridsession.LoggedOut)[0].Outcome)
				assert.Len(t, p.Events.Of(ecgridsession.RevocationPending), 1)
				assert.Equal(t, 1, p.Grid.LiveTokens(site.Demo.ID))

				time.Sleep(anHour)
				assert.Len(t, p.Grid.Calls(site.LogoutCall), 3)
				done := p.Events.Of(ecgridsession.RevocationDone)
				require.Len(t, done, 1)
				assert.Equal(t, ecgridsession.LogoutConfirmed, done[0].Outcome)
				assert.Equal(t, p.Events.Of(ecgridsession.LoggedOut)[0].Session, done[0].Session)
				assert.Empty(t, p.Events.Of(ecgridsession.RevocationGaveUp))
			})
		})
	}
}

func TestECGridIsAskedNoMoreThanThreeTimesWhereItAnswers(t *testing.T) {
	for name, fault := range map[string]ecgridtest.Fault{
		"500": {Status: 500}, "502": {Status: 502, Body: "<html>"}, "503": {Status: 503}, "504": {Status: 504}, "429": {Status: 429},
	} {
		t.Run(name, func(t *testing.T) {
			eachBackground(t, func(t *testing.T, p *background, signedIn func() *http.Cookie) {
				cookie := signedIn()
				fault.Path = site.LogoutCall
				p.Grid.Inject(fault)
				p.signOut(cookie)
				time.Sleep(anHour)
				assert.Len(t, p.Grid.Calls(site.LogoutCall), 3)
				gaveUp := p.Events.Of(ecgridsession.RevocationGaveUp)
				require.Len(t, gaveUp, 1)
				assert.Equal(t, site.Pending, gaveUp[0].Outcome)
				var upstream *ecgridsession.UpstreamError
				require.ErrorAs(t, gaveUp[0].Err, &upstream)
				assert.Equal(t, fault.Status, upstream.StatusCode)
				assert.Empty(t, p.Events.Of(ecgridsession.RevocationDone))
			})
		})
	}
}

func TestTriesThatNobodyAnswersAreEightWithPausesThatGrow(t *testing.T) {
	for range 40 { // there is chance in each of them
		synctest.Test(t, func(t *testing.T) {
			p := newBackground(t)
			cookie := p.signedIn()
			p.Grid.Inject(ecgridtest.Fault{Path: site.LogoutCall, Reset: true})
			p.signOut(cookie)
			time.Sleep(anHour)
			pauses := p.pauses()
			require.Len(t, pauses, 7)
			for i, pause := range pauses {
				longest := min(time.Second<<i, time.Minute)
				assert.GreaterOrEqual(t, pause, longest/2, i)
				assert.LessOrEqual(t, pause, longest, i)
			}
			assert.Len(t, p.Events.Of(ecgridsession.RevocationGaveUp), 1)
		})
	}
}

func TestThoseWhoFailedTogetherDoNotComeBackTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newBackground(t)
		var cookies []*http.Cookie
		for range 50 {
			cookies = append(cookies, p.signedIn())
		}
		p.Grid.Inject(ecgridtest.Fault{Path: site.LogoutCall, Status: 503})
		for _, cookie := range cookies {
			p.signOut(cookie)
		}
		time.Sleep(anHour)
		moments := map[time.Time]bool{}
		for _, call := range p.Grid.Calls(site.LogoutCall)[50:100] {
			moments[call.At] = true
		}
		assert.Greater(t, len(moments), 40)
	})
}

func TestRetryAfterIsHonouredUpToAMinute(t *testing.T) {
	for name, c := range map[string]struct {
		said              string
		shortest, longest time.Duration
	}{
		"half a minute":  {"30", 30 * time.Second, 30 * time.Second},
		"an hour":        {"3600", time.Minute, time.Minute},
		"an eternity":    {"1000000000", time.Minute, time.Minute},
		"a date":         {"DATE", 30 * time.Second, 30 * time.Second},
		"a past date":    {"Mon, 04 Jan 1999 15:04:05 GMT", time.Second / 2, 2 * time.Second},
		"a century away": {"Mon, 02 Jan 2090 15:04:05 GMT", time.Minute, time.Minute},
		"zero":           {"0", time.Second / 2, 2 * time.Second},
		"a negative":     {"-30", time.Second / 2, 2 * time.Second},
		"garbage":        {"1e9", time.Second / 2, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			eachBackground(t, func(t *testing.T, p *background, signedIn func() *http.Cookie) {
				cookie := signedIn()
				said, times := c.said, 0
				if said == "DATE" {
					// Both in whole seconds: bubbles begin at midnight.
					said, times = time.Now().Add(30*time.Second).UTC().Format(http.TimeFormat), 1
				}
				p.Grid.Inject(ecgridtest.Fault{Path: site.LogoutCall, Times: times, Status: 429, Header: http.Header{"Retry-After": {said}}})
				_, took := p.signOut(cookie)
				assert.Zero(t, took)
				time.Sleep(anHour)
				require.NotEmpty(t, p.pauses())
				for _, pause := range p.pauses() {
					assert.GreaterOrEqual(t, pause, c.shortest)
					assert.LessOrEqual(t, pause, c.longest)
				}
			})
		})
	}
}

func TestAWaitThatECGridAskedForOnceDoesNotOutlastItsNextAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newBackground(t)
		cookie := p.signedIn()
		p.Grid.Inject(ecgridtest.Fault{Path: site.LogoutCall, Times: 1, Status: 429, Header: http.Header{"Retry-After": {"50"}}})
		p.Grid.Inject(ecgridtest.Fault{Path: site.LogoutCall, Times: 1, Reset: true})
		p.signOut(cookie)
		time.Sleep(anHour)
		pauses := p.pauses()
		require.Len(t, pauses, 2)
		assert.Equal(t, 50*time.Second, pauses[0])
		assert.LessOrEqual(t, pauses[1], 2*time.Second)
	})
}

func TestAVerdictInTheBackgroundEndsTheTries(t *testing.T) {
	for name, c := range map[string]struct {
		second  ecgridtest.Fault
		kind    ecgridsession.EventKind
		outcome ecgridsession.LogoutOutcome
	}{
		"no such token": {ecgridtest.Fault{Status: 401}, ecgridsession.RevocationDone, site.AlreadyInvalid},
		"refused":       {ecgridtest.Fault{Status: 403}, ecgridsession.RevocationGaveUp, site.Refused},
		"a redirect":    {ecgridtest.Fault{Status: 307}, ecgridsession.RevocationGaveUp, site.Refused},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newBackground(t)
				cookie := p.signedIn()
				p.Grid.Inject(ecgridtest.Fault{Path: site.LogoutCall, Times: 1, Status: 503})
				c.second.Path = site.LogoutCall
				p.Grid.Inject(c.second)
				p.signOut(cookie)
				time.Sleep(anHour)
				assert.Len(t, p.Grid.Calls(site.LogoutCall), 2)
				events := p.Events.Of(c.kind)
				require.Len(t, events, 1)
				assert.Equal(t, c.outcome, events[0].Outcome)
			})
		})
	}
}

func TestARefusedSignOutIsNotRepeated(t *testing.T) {
	eachBackground(t, func(t *testing.T, p *background, signedIn func() *http.Cookie) {
		cookie := signedIn()
		p.Grid.Inject(ecgridtest.Fault{Path: site.LogoutCall, Status: 403})
		p.signOut(cookie)
		time.Sleep(anHour)
		assert.Len(t, p.Grid.Calls(site.LogoutCall), 1)
		assert.Equal(t, site.Refused, p.Events.Of(ecgridsession.LoggedOut)[0].Outcome)
	})
}

func TestATokenThatHasLongExpiredIsNotCalledForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newBackground(t)
		p.Grid.SetTokenTTL(time.Minute)
		cookie := p.signedIn()
		p.Grid.Inject(ecgridtest.Fault{Path: site.LogoutCall, Status: 503})
		time.Sleep(45 * time.Minute) // nothing keeps it alive beyond the idle limit
		p.signOut(cookie)
		time.Sleep(anHour)
		assert.Len(t, p.Grid.Calls(site.LogoutCall), 1)
		done := p.Events.Of(ecgridsession.RevocationDone)
		require.Len(t, done, 1)
		assert.Equal(t, site.AlreadyInvalid, done[0].Outcome)
	})
}

func TestAHangingUpstreamHoldsUpTheUserForLogoutTimeoutAndNoLonger(t *testing.T) {
	eachBackground(t, func(t *testing.T, p *background, signedIn func() *http.Cookie) {
		cookie := signedIn()
		p.Grid.Inject(ecgridtest.Fault{Path: site.LogoutCall, Hang: true})
		got, took := p.signOut(cookie)
		assert.Equal(t, 3*time.Second, took)
		site.RequireDeletion(t, got)
		out := p.Events.Of(ecgridsession.LoggedOut)
		require.Len(t, out, 1)
		assert.Equal(t, site.Pending, out[0].Outcome)
		assert.Equal(t, 3*time.Second, out[0].Duration)
		require.ErrorIs(t, out[0].Err, context.DeadlineExceeded)
		time.Sleep(anHour)
		assert.Len(t, p.Grid.Calls(site.LogoutCall), 8)
		assert.Len(t, p.Events.Of(ecgridsession.RevocationGaveUp), 1)
	})
}

func TestAThousandSignOutsWithASlowUpstreamAreEachAnsweredInTime(t *testing.T) {
	eachBackground(t, func(t *testing.T, p *background, signedIn func() *http.Cookie) {
		const many = 1000
		cookies := make([]*http.Cookie, many)
		for i := range cookies {
			cookies[i] = signedIn()
		}
		p.most.Store(0) // signing in by key asks ECGrid, too
		p.Grid.Inject(ecgridtest.Fault{Path: site.LogoutCall, Hang: true})
		var all sync.WaitGroup
		for _, cookie := range cookies {
			all.Go(func() {
				got, took := p.signOut(cookie)
				assert.LessOrEqual(t, took, 3*time.Second)
				assert.Equal(t, http.StatusSeeOther, got.StatusCode)
				assert.Equal(t, []string{site.Deletion}, got.Header["Set-Cookie"])
			})
		}
		all.Wait()
		assert.Equal(t, int64(64), p.most.Load(), "calls in flight")
		for _, cookie := range cookies {
			require.False(t, p.opens(cookie))
		}
		require.Len(t, p.Events.Of(ecgridsession.LoggedOut), many)

		p.most.Store(0)
		time.Sleep(time.Minute)
		assert.Equal(t, int64(16), p.most.Load(), "calls in flight in the background, which leaves the others to users")
		p.Grid.ClearFaults()
		time.Sleep(anHour)
		assert.Zero(t, p.Grid.LiveTokens(site.Demo.ID), "and each token is revoked when the upstream is back")
		assert.Len(t, p.Events.Of(ecgridsession.RevocationDone), many)
	})
}

func TestTheBackgroundTakesABoundedNumberAndSaysWhatItLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most, more = 4096, 7
		p := newBackground(t)
		cookies := make([]*http.Cookie, most+more)
		for i := range cookies {
			cookies[i] = p.signedIn()
		}
		p.Grid.Inject(ecgridtest.Fault{Path: site.LogoutCall, Times: len(cookies), Status: 503})
		for _, cookie := range cookies {
			p.signOut(cookie)
		}
		assert.Len(t, p.Events.Of(ecgridsession.RevocationGaveUp), more)
		assert.Len(t, p.Events.Of(ecgridsession.RevocationPending), most+more, "each that is over was pending before")
		time.Sleep(anHour)
		assert.Len(t, p.Events.Of(ecgridsession.RevocationDone), most)
		assert.Equal(t, more, p.Grid.LiveTokens(site.Demo.ID))
	})
}
