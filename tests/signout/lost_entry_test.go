package signout

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// A failover or a restored backup may bring a lost entry back later.
func TestSignOutOfASessionWhoseEntryWasLostWritesItsEnd(t *testing.T) {
	s := site.New(t, site.InProcess())
	v := s.SignInByKey(site.Demo)
	kept := s.Ledger.Memory
	s.Ledger.Memory = ecgridsession.NewMemoryLedger() // what it held is lost

	before := s.Ledger.Swaps.Load()
	copied := v.Copy()
	assert.Equal(t, http.StatusSeeOther, v.Post(s, "/logout").StatusCode)
	require.Equal(t, before+1, s.Ledger.Swaps.Load(), "the end is written")

	// A second sign-out finds the end, and has none to write.
	assert.Equal(t, http.StatusSeeOther, copied.Copy().Post(s, "/logout").StatusCode)
	assert.Equal(t, before+1, s.Ledger.Swaps.Load())

	// Without it the session would be open again with its entry.
	s.Ledger.Memory = kept
	assert.Equal(t, http.StatusOK, copied.Get(s, "/private").StatusCode, "the test's entry is a good one")
}
