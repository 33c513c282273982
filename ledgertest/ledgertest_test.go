package ledgertest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ledgertest"
)

func TestASoundLedgerPassesEveryClauseByTheFakeClockToo(t *testing.T) {
	for name, holds := range ledgertest.Clauses() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				assert.NoError(t, holds(ecgridsession.NewMemoryLedger()))
			})
		})
	}
}

func TestABrokenLedgerIsCaughtByItsClause(t *testing.T) {
	clauses := ledgertest.Clauses()
	shown := make(map[string]bool)
	for _, b := range broken {
		shown[b.clause] = true
		t.Run(b.clause+"/"+b.how, func(t *testing.T) {
			holds := clauses[b.clause]
			require.NotNil(t, holds, "there is no such clause")
			synctest.Test(t, func(t *testing.T) {
				err := holds(b.open())
				time.Sleep(time.Hour) // what the ledger does late, it does before the bubble ends
				require.Error(t, err, "the clause takes a broken ledger for sound")
				t.Logf("caught: %.300s", err)
			})
		})
	}
	for name := range clauses {
		assert.True(t, shown[name], "no broken ledger shows that %q catches any", name)
	}
}

func TestRunFailsATestWhoseLedgerIsBroken(t *testing.T) {
	// Run itself, and not only its clauses, in a process whose failure is the
	// point.
	for _, kind := range []string{"sound", "broken"} {
		out, err := runChild(t, kind)
		if kind == "sound" {
			require.NoError(t, err, "%s", out)
			continue
		}
		require.Error(t, err, "%s", out)
		require.Contains(t, string(out), "--- FAIL: TestChild/nil_stands_for_no_entry", "%s", out)
		require.Contains(t, string(out), "--- PASS: TestChild/an_absent_entry_is_nil", "%s", out)
	}
}
