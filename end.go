package ecgridsession

import (
	"context"
	"fmt"

	"github.com/ecgrid-contrib/ecgridsession/internal/record"
)

// maxSwaps bounds how often a transition starts over because the entry changed
// in between. Every failed swap is another's success, so a few are plenty.
const maxSwaps = 16

// ending is what came of ending a session in the ledger.
type ending struct {
	won        bool              // this call ended it, so it is to revoke the token
	refreshing bool              // a refresh was under way; it revokes what it gets
	newest     record.Credential // the newest credential known; zero where there is none
}

// end marks a session as ended, from whatever state. Where the ledger is
// unavailable, the newest credential known so far comes with the error.
func (m *Middleware) end(ctx context.Context, snap *snapshot) (ending, error) {
	a := newAttempt(snap, goalEnd)
	var fault error
	for range maxSwaps {
		var found entry
		found, fault = m.ledger.lookEntry(ctx, &snap.keys)
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
			m.streams.end(snap.keys.session())
			return ending{won: true, refreshing: a.was.state == entryRefreshing, newest: a.credential}, nil
		default:
			return ending{}, nil
		}
	}
	return ending{newest: a.credential}, fmt.Errorf("%w: the entry kept changing", ErrLedgerUnavailable)
}
