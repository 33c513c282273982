//go:build unix

package redisledger_test

import (
	"testing"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/internal/redisserver"
	"github.com/ecgrid-contrib/ecgridsession/ledgertest"
	"github.com/ecgrid-contrib/ecgridsession/redisledger"
)

func TestTheLedgerKeepsTheContractOnMiniredis(t *testing.T) {
	ledgertest.Run(t, func(t *testing.T) ecgridsession.Ledger { return onMiniredis(t) })
}

func TestTheLedgerKeepsTheContractOnRedis(t *testing.T) {
	server := redisserver.Start(t)
	ledgertest.Run(t, func(t *testing.T) ecgridsession.Ledger { return opened(t, server.Addr) })
}

func TestTheLedgerKeepsTheContractOnACluster(t *testing.T) {
	addrs := newCluster(t)
	ledgertest.Run(t, func(t *testing.T) ecgridsession.Ledger {
		return redisledger.New(clientOf(t, "", addrs...), "")
	})
}

func TestTheLedgerKeepsTheContractBehindSentinel(t *testing.T) {
	sentinel := newSentinel(t)
	ledgertest.Run(t, func(t *testing.T) ecgridsession.Ledger {
		return redisledger.New(clientOf(t, "master", sentinel), "")
	})
}
