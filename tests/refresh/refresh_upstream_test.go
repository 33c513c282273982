package refresh

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

func TestWhateverECGridDoesARefreshSignsNobodyOutWithoutItsWord(t *testing.T) {
	for name, fault := range site.UpstreamFaults {
		t.Run(name, func(t *testing.T) {
			g := site.ThroughGateway(t, fault.Deadlines)
			s := g.Site
			b := s.Browser().SignIn()
			fault.Install(g)
			b.Age(site.UntilDue)

			began := time.Now()
			got := b.Get("/private")
			assert.Less(t, time.Since(began), site.Bounded)
			assert.Zero(t, g.Stray.Load(), "nobody else sees the token")
			assert.Empty(t, s.Events.Of(ecgridsession.SessionRefreshed))
			assert.Equal(t, 1, s.Grid.LiveTokens(site.Demo.ID))
			if fault.Logout == site.AlreadyInvalid { // ECGrid's own word that the token is dead
				assert.Equal(t, http.StatusUnauthorized, got.StatusCode)
				assert.Len(t, s.Events.Of(ecgridsession.SessionEnded), 1)
				return
			}
			assert.Equal(t, "private", got.Text, "the token so far goes on")
			// The page has not waited for it if it takes more than a second.
			require.Eventually(t, func() bool { return len(s.Events.Of(ecgridsession.RefreshFailed)) == 1 }, site.Patience, site.Tick)
			failed := s.Events.Of(ecgridsession.RefreshFailed)
			assert.Error(t, failed[0].Err)
			assert.Empty(t, s.Events.Of(ecgridsession.SessionEnded))
		})
	}
}
