package session

import (
	"errors"
	"fmt"
)

// The errors of a session, as callers of the library see them.
var (
	ErrNone        = errors.New("ecgridsession: no session")
	ErrEnded       = fmt.Errorf("ecgridsession: the session has ended: %w", ErrNone)
	ErrUnavailable = errors.New("ecgridsession: ledger unavailable")
)

// ErrUnreadable is of an entry that was not written by us, or not under
// its key. The session counts as ended.
var ErrUnreadable = errors.New("ecgridsession: ledger entry cannot be read")

// ErrChanging is of a session whose entry is not to be replaced now.
var ErrChanging = errors.New("the session is changing")
