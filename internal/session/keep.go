package session

import (
	"context"
	"fmt"
	"time"
)

// Keep keeps the credential of a new session in the ledger, in the place of
// nothing: an entry under the key of a new random id was put there by somebody
// else.
func (l *Ledger) Keep(ctx context.Context, snap *Snapshot, ttl time.Duration) error {
	_, swapped, err := l.SwapEntry(ctx, &snap.Keys, Entry{}, Entry{State: Live, Credential: snap.Record.Credential}, ttl)
	if err == nil && !swapped {
		err = fmt.Errorf("%w: a new session's entry was taken", ErrUnavailable)
	}
	return err
}

// TakeOver keeps the credential of an open session in the ledger from now on.
// Not while a refresh is under way or has been published by another: the cookie
// of the browser goes on meanwhile, and the next request that sets it tries
// again.
func (l *Ledger) TakeOver(ctx context.Context, snap *Snapshot, ttl time.Duration) error {
	found, err := l.LookEntry(ctx, &snap.Keys)
	switch {
	case err != nil:
		return err
	case found.State == Ended || found.State == Refreshing || found.Generation > snap.Record.Generation:
		return ErrChanging
	}
	next := Entry{State: Live, Generation: snap.Record.Generation, Credential: snap.Record.Credential}
	_, swapped, err := l.SwapEntry(ctx, &snap.Keys, found, next, ttl)
	if err == nil && !swapped {
		err = ErrChanging
	}
	return err
}
