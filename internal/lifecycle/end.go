package lifecycle

import (
	"context"
	"fmt"

	"github.com/ecgrid-contrib/ecgridsession/internal/record"
	"github.com/ecgrid-contrib/ecgridsession/internal/session"
)

// Ending is what came of ending a session in the ledger.
type Ending struct {
	Won bool // this call ended it, so it is to revoke the token
	// Refreshing: a refresh was under way. Its holder will find the entry
	// ended, and revokes what it gets.
	Refreshing bool
	// Newest is the newest credential known: the ledger's, where it has one,
	// since the cookie's may have been replaced. It is zero where there is
	// none.
	Newest record.Credential
}

// End marks a session as ended, from whatever state. Where the ledger is
// unavailable, the newest credential known so far comes with the error.
//
// This is the first step of every sign-out, of a sign-in that replaces a session,
// and of a session past its absolute limit. Its callers act on Won alone: of any
// number of them, on any replica, one gets it, so that the token is revoked once
// and one event is emitted.
//
// No deadline bounds the whole: each call of the ledger has one, and there are
// at most maxSwaps times two of them, of which the first that fails is the last.
func End(ctx context.Context, ledger *session.Ledger, limits *session.Limits, snap *session.Snapshot) (Ending, error) {
	a := newAttempt(snap, goalEnd)
	var fault error
	for range session.MaxSwaps {
		var found session.Entry
		found, fault = ledger.LookEntry(ctx, &snap.Keys)
		// No sight: an end goes by no clock, neither ours nor the lease's.
		a.looked(found, fault, sight{})
		if a.todo == stepSwap {
			var stored []byte
			var ok bool
			stored, ok, fault = ledger.SwapEntry(ctx, &snap.Keys, a.was, a.next, limits.UntilEnd(&snap.Record))
			a.swapped(stored, ok, fault)
		}
		if a.todo != stepDone {
			continue
		}
		switch {
		case a.result == verdictUnknown:
			return Ending{Newest: a.credential}, fault
		case a.endedHere:
			return Ending{Won: true, Refreshing: a.was.State == session.Refreshing, Newest: a.credential}, nil
		default:
			return Ending{}, nil
		}
	}
	return Ending{Newest: a.credential}, fmt.Errorf("%w: the entry kept changing", session.ErrUnavailable)
}
