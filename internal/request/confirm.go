package request

import (
	"context"

	"github.com/ecgrid-contrib/ecgridsession/internal/session"
)

// confirmEvery is how often a request that is under way for long asks the ledger
// about an API key's session, in ms. It is the interval of streams.
const confirmEvery = 1500

// Confirm makes sure before an outbound call that the session is still open. A
// request may be under way while its user signs out, and work that it has started
// may call ECGrid hours later. ECGrid refuses a token that was revoked, but a key
// lives on, so the session's end is all that stops it.
//
// The ledger is asked if a session has ended in this process in the meantime, and
// for a key every 1.5 seconds, for an end on another replica. All other calls pay
// two comparisons. The error says that a key's session could not be asked about.
func (s *Session) Confirm(ctx context.Context, now int64) error {
	snap := s.newest.Load()
	if snap == nil {
		return nil
	}
	ends := s.o.Ledger.Ends() // before the look: an end after it is for the next call
	if ends == s.ends.Load() && (!snap.Record.APIKey || now-s.looked.Load() < confirmEvery) {
		return nil
	}
	found, cutOff, err := s.o.Ledger.Look(ctx, &snap.Keys)
	switch {
	case snap.HasEnded(&found, cutOff, err):
		s.adopt(snap, nil, session.ErrEnded) // not over a Login within this request
		return nil
	case err != nil:
		if snap.Record.APIKey {
			return err
		}
		return nil
	}
	s.ends.Store(ends)
	s.looked.Store(now)
	return nil
}
