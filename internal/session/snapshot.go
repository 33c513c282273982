package session

import (
	"errors"

	"github.com/ecgrid-contrib/ecgridsession/internal/record"
)

// Snapshot is a session with one generation of its credential. It is immutable
// once a request can see it. A change makes a new one: who has loaded a pointer
// reads one session throughout, and never the token of one generation with the
// expiry of another.
type Snapshot struct {
	Record record.Record
	Keys   Keys
}

// With returns the session with the credential of its ledger entry, where that
// is what counts: the credential is kept there, or is a newer one. It returns
// snap itself where nothing changes, which is nearly always, and costs no
// allocation then.
func (snap *Snapshot) With(found *Entry) *Snapshot {
	if found.State != Live && found.State != Refreshing {
		return snap
	}
	if !snap.Record.InLedger && found.Generation <= snap.Record.Generation {
		return snap
	}
	return snap.WithCredential(found.Generation, found.Credential)
}

// WithCredential returns the session with another generation of its credential.
func (snap *Snapshot) WithCredential(generation uint64, c record.Credential) *Snapshot {
	next := *snap
	next.Record.Generation, next.Record.Credential = generation, c
	return &next
}

// HasEnded tells what the ledger's answer means for a session. It is for
// requests and for streams, so that what ends the one ends the other.
func (snap *Snapshot) HasEnded(found *Entry, cutOff uint64, err error) bool {
	switch {
	case errors.Is(err, ErrUnreadable):
		// Whoever writes garbage there must not be able to keep a session open.
		return true
	case err != nil:
		return false // nothing is known
	default:
		return found.State == Ended || cutOff > snap.Record.CutOff ||
			// What the ledger has lost signs out, never in.
			found.State == None && snap.Record.InLedger
	}
}
