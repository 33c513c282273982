package ledgertest_test

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ledgertest"
)

// childLedger names the environment variable by which this test binary, started
// by its own test, is told which ledger to run the suite on.
const childLedger = "LEDGERTEST_CHILD"

func runChild(t *testing.T, kind string) ([]byte, error) {
	self, err := os.Executable()
	require.NoError(t, err)
	child := exec.CommandContext(t.Context(), self, "-test.run=^TestChild$", "-test.v")
	child.Env = append(os.Environ(), childLedger+"="+kind)
	return child.CombinedOutput()
}

// TestChild is what runChild runs. In a run of its own it holds the suite to a
// sound ledger.
func TestChild(t *testing.T) {
	ledgertest.Run(t, func(*testing.T) ecgridsession.Ledger {
		if os.Getenv(childLedger) == "broken" {
			return comparing(func(present, _ []byte) bool { return present == nil })
		}
		return ecgridsession.NewMemoryLedger()
	})
}
