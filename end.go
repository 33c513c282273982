package ecgridsession

import (
	"context"
	"fmt"

	"github.com/ecgrid-contrib/ecgridsession/internal/record"
)

// maxSwaps bounds how often a transition starts over because the entry changed
// in between. Every failed swap is another's success, so a few are plenty. It
// bounds what a ledger that breaks its contract can cost.
const maxSwaps = 16

// ending is what came of ending a session in the ledger.
type ending struct {
	won bool // this call ended it, so it is to revoke the token
	// refreshing: a refresh was under way. Its holder will find the entry
	// ended, and revokes what it gets.
	refreshing bool
	// newest is the newest credential known: the ledger's, where it has one,
	// since the cookie's may have been replaced. It is zero where there is
	// none.
	newest record.Credential
}

// end marks a session as ended, from whatever state. Where the ledger is
// unavailable, the newest credential known so far comes with the error.
//
// This is the first step of every sign-out (logout_handler.go), of a sign-in
// that takes the place of a session (start.go), and of a session past its
// absolute limit (open.go). Its callers act on won alone: of any number of
// them, on any replica, one gets it, so that the token is revoked once and one
// event is emitted.
//
// No deadline bounds the whole: each call of the ledger has one, and there are
// at most maxSwaps times two of them, of which the first that fails is the last.
func (m *Middleware) end(ctx context.Context, snap *snapshot) (ending, error) {
	a := newAttempt(snap, goalEnd)
	var fault error
	for range maxSwaps {
		var found entry
		found, fault = m.ledger.lookEntry(ctx, &snap.keys)
		// No sight: an end goes by no clock, neither ours nor the lease's.
		a.looked(found, fault, sight{})
		if a.todo == stepSwap {
			var stored []byte
			var ok bool
			stored, ok, fault = m.ledger.swapEntry(ctx, &snap.keys, a.was, a.next, m.untilEnd(&snap.record))
			a.swapped(stored, ok, fault)
		}
		if a.todo != stepDone {
			continue
		}
		switch {
		case a.result == verdictUnknown:
			return ending{newest: a.credential}, fault
		case a.endedHere:
			// Those of other replicas find out by their own look (stream.go).
			m.streams.end(snap.keys.session())
			return ending{won: true, refreshing: a.was.state == entryRefreshing, newest: a.credential}, nil
		default:
			return ending{}, nil
		}
	}
	return ending{newest: a.credential}, fmt.Errorf("%w: the entry kept changing", ErrLedgerUnavailable)
}
