package requests

import (
	"testing"

	"github.com/gorilla/sessions"
	"github.com/stretchr/testify/assert"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// A ledger that panics does so at the first sign-out, which then ends nothing.
func TestNewRefusesALedgerOfOursThatNobodyMade(t *testing.T) {
	for name, ledger := range map[string]ecgridsession.Ledger{
		"zero": new(ecgridsession.MemoryLedger), "nil": (*ecgridsession.MemoryLedger)(nil),
	} {
		_, err := ecgridsession.New(ecgridsession.Config{Keys: [][]byte{site.NewKey(t)}, Ledger: ledger})
		assert.EqualError(t, err, "ecgridsession: Config.Ledger: a MemoryLedger comes from NewMemoryLedger", name)
	}
}

func TestNewRefusesAStoreOfOursThatNobodyMade(t *testing.T) {
	for name, store := range map[string]sessions.Store{
		"zero": new(ecgridsession.CookieStore), "nil": (*ecgridsession.CookieStore)(nil),
	} {
		_, err := ecgridsession.New(ecgridsession.Config{Keys: [][]byte{site.NewKey(t)}, Store: store})
		assert.EqualError(t, err, "ecgridsession: Config.Store: a CookieStore comes from NewCookieStore", name)
	}
}
