package session

import (
	"errors"
	"fmt"
)

// The errors of a session. Callers of the library see them under the names that
// are given here, with their comments.
var (
	// ErrNone is ecgridsession.ErrNoSession.
	ErrNone = errors.New("ecgridsession: no session")
	// ErrEnded is ecgridsession.ErrSessionEnded.
	ErrEnded = fmt.Errorf("ecgridsession: the session has ended: %w", ErrNone)
	// ErrTooLarge is ecgridsession.ErrSessionTooLarge.
	ErrTooLarge = errors.New("ecgridsession: session too large")
	// ErrUnavailable is ecgridsession.ErrLedgerUnavailable.
	ErrUnavailable = errors.New("ecgridsession: ledger unavailable")
)

// ErrUnreadable is of an entry that was not written by us, or not under
// its key. The session counts as ended.
var ErrUnreadable = errors.New("ecgridsession: ledger entry cannot be read")

// ErrForeign is ErrUnreadable of a user's cut-off. A session's key is of a random
// id, so nobody else writes under it; a user's key is the same for each app of
// the user, and one with keys of its own seals what this one cannot read.
var ErrForeign = fmt.Errorf("%w: it is under the key of a user, and another app may have put it there", ErrUnreadable)

// ErrChanging means that a session too large for its cookie cannot move to the
// ledger now, because its entry is changing.
var ErrChanging = fmt.Errorf("%w: the session is changing", ErrTooLarge)
