package tests

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
)

func TestWhateverECGridDoesARefreshSignsNobodyOutWithoutItsWord(t *testing.T) {
	for name, fault := range upstreamFaults {
		t.Run(name, func(t *testing.T) {
			g := throughGateway(t, fault.deadlines)
			s := g.site
			clock := s.clockOf()
			b := s.browser().signIn()
			fault.install(g)
			clock.advance(untilDue)

			began := time.Now()
			got := b.get("/private")
			assert.Less(t, time.Since(began), bounded)
			assert.Zero(t, g.stray.Load(), "nobody else sees the token")
			assert.Empty(t, s.events.of(ecgridsession.SessionRefreshed))
			assert.Equal(t, 1, s.grid.LiveTokens(demo.ID))
			if fault.logout == alreadyInvalid { // ECGrid's own word that the token is dead
				assert.Equal(t, http.StatusUnauthorized, got.StatusCode)
				assert.Len(t, s.events.of(ecgridsession.SessionEnded), 1)
				return
			}
			assert.Equal(t, "private", got.body, "the token so far goes on")
			failed := s.events.of(ecgridsession.RefreshFailed)
			require.Len(t, failed, 1)
			assert.Error(t, failed[0].Err)
			assert.Empty(t, s.events.of(ecgridsession.SessionEnded))
		})
	}
}
