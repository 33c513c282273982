//go:build unix

package redisledger_test

import (
	"testing"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/internal/redisserver"
	"github.com/ecgrid-contrib/ecgridsession/ledgertest"
	"github.com/ecgrid-contrib/ecgridsession/redisledger"
)

// patient are settings under which a busy machine is no fault of the ledger's:
// the suite calls it from 64 goroutines at once.
const patient = "?pool_timeout=10s&read_timeout=10s&write_timeout=10s&dial_timeout=10s"

func TestTheLedgerKeepsTheContractOnMiniredis(t *testing.T) {
	ledgertest.Run(t, func(t *testing.T) ecgridsession.Ledger { return onMiniredis(t) })
}

func TestTheLedgerKeepsTheContractOnRedis(t *testing.T) {
	server := redisserver.Start(t)
	ledgertest.Run(t, func(t *testing.T) ecgridsession.Ledger { return opened(t, server.Addr+patient) })
}

func TestTheLedgerKeepsTheContractOnACluster(t *testing.T) {
	ledger := redisledger.New(clientOf(t, "", newCluster(t)...), "")
	ledgertest.Run(t, func(*testing.T) ecgridsession.Ledger { return ledger })
}

func TestTheLedgerKeepsTheContractBehindSentinel(t *testing.T) {
	ledger := redisledger.New(clientOf(t, "master", newSentinel(t)), "")
	ledgertest.Run(t, func(*testing.T) ecgridsession.Ledger { return ledger })
}
