package signout

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// onOpenLedger is an app in a bubble, on a ledger that the test can break.
func onOpenLedger(t *testing.T, changes ...func(*ecgridsession.Config)) (*background, *site.OpenLedger) {
	ledger := site.NewOpenLedger()
	return newBackground(t, append(changes, func(cfg *ecgridsession.Config) { cfg.Ledger = ledger })...), ledger
}

func TestTheBackgroundWritesTheEndIntoALedgerThatComesBack(t *testing.T) {
	for name, c := range map[string]struct {
		fault  ecgridtest.Fault
		status int
	}{
		"ECGrid having confirmed it": {ecgridtest.Fault{}, http.StatusSeeOther},
		"ECGrid having refused it":   {ecgridtest.Fault{Status: 403}, http.StatusServiceUnavailable},
		"ECGrid being down for good": {ecgridtest.Fault{Status: 503}, http.StatusServiceUnavailable},
		"ECGrid hanging for good":    {ecgridtest.Fault{Hang: true}, http.StatusServiceUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, ledger := onOpenLedger(t)
				cookie := p.signedIn()
				ledger.Becomes(site.Fails)
				c.fault.Path = site.LogoutCall
				p.Grid.Inject(c.fault)
				got, _ := p.signOut(cookie)
				assert.Equal(t, c.status, got.StatusCode)
				site.RequireDeletion(t, got)
				time.Sleep(30 * time.Second) // an outage as they are
				ledger.Becomes(site.Works)
				time.Sleep(2 * time.Minute)
				assert.False(t, p.opens(cookie))
			})
		})
	}
}

func TestTheBackgroundCallsECGridThoughTheLedgerStaysDown(t *testing.T) {
	for name, fault := range map[string]site.LedgerState{"down": site.Fails, "hanging": site.Hangs, "failing to store": site.FailsToStore} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, ledger := onOpenLedger(t)
				cookie := p.signedIn()
				ledger.Becomes(fault)
				p.Grid.Inject(ecgridtest.Fault{Path: site.LogoutCall, Times: 2, Status: 503})
				got, _ := p.signOut(cookie)
				assert.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
				time.Sleep(anHour)
				assert.Zero(t, p.Grid.LiveTokens(site.Demo.ID))
				assert.Len(t, p.Grid.Calls(site.LogoutCall), 3, "once it is revoked, only the ledger is tried")
				gaveUp := p.Events.Of(ecgridsession.RevocationGaveUp)
				require.Len(t, gaveUp, 1)
				require.ErrorIs(t, gaveUp[0].Err, ecgridsession.ErrLedgerUnavailable)
			})
		})
	}
}

func TestECGridIsAskedNoMoreThanThreeTimesThoughTheLedgerIsDownToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ledger := onOpenLedger(t)
		cookie := p.signedIn()
		ledger.Becomes(site.Fails)
		p.Grid.Inject(ecgridtest.Fault{Path: site.LogoutCall, Status: 503})
		p.signOut(cookie)
		time.Sleep(anHour)
		assert.Len(t, p.Grid.Calls(site.LogoutCall), 3)
		assert.Len(t, p.Events.Of(ecgridsession.RevocationGaveUp), 1)
		calls := ledger.Calls
		assert.Less(t, calls, 40)
		time.Sleep(anHour)
		assert.Equal(t, calls, ledger.Calls, "bounded, too")
	})
}

func TestAKeyThatOnlyTheLedgerHasIsSignedOutWhenItComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ledger := onOpenLedger(t, func(cfg *ecgridsession.Config) { cfg.CredentialInLedger = true })
		cookie := p.signedIn()
		ledger.Becomes(site.Fails)
		got, _ := p.signOut(cookie)
		assert.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
		assert.Empty(t, p.Grid.Calls(site.LogoutCall), "the token is not known yet")
		time.Sleep(10 * time.Second)
		ledger.Becomes(site.Works)
		time.Sleep(time.Minute)
		assert.False(t, p.opens(cookie))
		assert.Zero(t, p.Grid.LiveTokens(site.Demo.ID))
		assert.Len(t, p.Events.Of(ecgridsession.RevocationDone), 1)
	})
}
