package memory_test

import (
	"testing"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/internal/memory"
	"github.com/ecgrid-contrib/ecgridsession/ledgertest"
)

func TestTheMemoryLedgerKeepsTheContract(t *testing.T) {
	ledgertest.Run(t, func(*testing.T) ecgridsession.Ledger { return memory.New() })
}
