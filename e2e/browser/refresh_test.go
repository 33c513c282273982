//go:build linux

package browser_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTenFetchesAtOnceRefreshOnceAndSignNobodyOut(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		const ttl = 4 * time.Second
		s.grid.SetTokenTTL(ttl)
		s.grid.SetRefreshTokens(true) // so that a machine that sleeps over the expiry is still in time
		b := s.newProfile().signIn(alice)
		b.open(s.url + "/nowhere") // a page that asks for nothing by itself
		b.opensStream()
		expires := eval[time.Time](b, `fetch("/session").then(r => r.json()).then(s => s.tokenExpiresAt)`)
		before := len(s.grid.Calls(refreshPath))
		// From half of its life on the token is due.
		<-time.After(time.Until(expires.Add(100*time.Millisecond - ttl/2)))
		s.grid.SetTokenTTL(15 * time.Minute)

		statuses := eval[[]int](b, `Promise.all(Array.from({length: 10}, () => fetch("/").then(r => r.status)))`)
		for _, status := range statuses {
			assert.Equal(t, http.StatusOK, status)
		}
		require.Len(t, statuses, 10)
		assert.Len(t, s.grid.Calls(refreshPath), before+1)
		inboxes := s.grid.Calls(inboxPath)
		for _, call := range inboxes[len(inboxes)-10:] {
			assert.Equal(t, http.StatusOK, call.Status)
		}

		b.isSignedIn(alice)
		b.click(signOutButton)
		b.sees(landing)
		b.isSignedOut()
		b.signIn(alice)
	})
}
