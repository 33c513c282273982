package ecgridsession

import (
	"context"
	"errors"
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
// unavailable the credential that the cookie held is returned with the error.
func (m *Middleware) end(ctx context.Context, snap *snapshot) (ending, error) {
	rec := &snap.record
	for range maxSwaps {
		found, err := m.ledger.lookEntry(ctx, &snap.keys)
		switch {
		case errors.Is(err, errEntryUnreadable):
			// Overwritten: from now on it is an entry of ours again.
		case err != nil:
			return ending{newest: rec.Credential}, err
		case found.state == entryEnded, found.state == entryNone && rec.InLedger:
			return ending{}, nil
		}
		swapped, err := m.ledger.swapEntry(ctx, &snap.keys, found, entry{state: entryEnded}, m.untilEnd(rec))
		if err != nil {
			return ending{newest: snap.with(&found).record.Credential}, err
		}
		if swapped {
			return ending{
				won:        true,
				refreshing: found.state == entryRefreshing,
				newest:     snap.with(&found).record.Credential,
			}, nil
		}
	}
	return ending{newest: rec.Credential}, fmt.Errorf("%w: the entry kept changing", ErrLedgerUnavailable)
}
