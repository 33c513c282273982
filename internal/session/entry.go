package session

import (
	"encoding/binary"
	"time"

	"github.com/ecgrid-contrib/ecgridsession/internal/record"
)

// State is where a session's ledger entry stands. The states and their
// transitions:
//
//	(none) ──claim──▶ refreshing ──publish──▶ live ──claim──▶ …
//	   │               │      └──abort──▶ live
//	   └──── end ──────┴───────── end ─────┴──▶ ended
//
// Every transition is one compare-and-swap, so the same code is right in one
// process and across replicas. Nothing leads out of ended. It is what the
// cookie cannot be: one value that every replica reads and none can keep an old
// copy of. A session that was never refreshed and keeps its credential in the
// cookie has no entry until it ends.
type State byte

// The states, as they are written: a number is never used for another one.
const (
	// They are sealed into ledgers that outlive a deploy.
	None       State = 0 // there is no entry, and the cookie decides
	Ended      State = 1 // nothing leads out of it
	Live       State = 2 // Credential is the newest there is
	Refreshing State = 3 // Holder is asking ECGrid for the next one
)

// Entry is what the ledger holds of one session.
type Entry struct {
	State      State
	Generation uint64            // of the credential below
	Credential record.Credential // live and refreshing: the newest there is
	// Failures, live and refreshing: refreshes in a row without a verdict. It is
	// in the entry so that all replicas together back off, and not each by
	// itself.
	Failures uint64
	// Final, live and refreshing: ECGrid gave the last of them an answer that no
	// retry can change, and that is no verdict on the credential.
	Final bool
	// Pause, live and refreshing: how long ECGrid asked to be left alone. It is a
	// length and not a time, because no two clocks are compared.
	Pause time.Duration
	// Holder, refreshing: who holds the lease, a random number. There is no
	// time in a claim, because no two clocks are compared: how long it has
	// stood is for each reader to measure (package lifecycle).
	Holder uint64

	// Stored is what the ledger returned, for the next compare-and-swap; nil
	// for None.
	Stored []byte
}

// append writes the entry in the form that is sealed. An ended one is a single
// byte: it holds no credential any more, and it is what a ledger has most of,
// one for each sign-out until the session would have ended by itself.
func (e *Entry) append(dst []byte) []byte {
	dst = append(dst, byte(e.State))
	if e.State == Ended {
		return dst
	}
	dst = binary.AppendUvarint(dst, e.Generation)
	dst = binary.AppendUvarint(dst, packSetbacks(e.Failures, e.Final, e.Pause))
	if e.State == Refreshing {
		dst = binary.BigEndian.AppendUint64(dst, e.Holder)
	}
	return e.Credential.Append(dst)
}

// parseEntry is the inverse of append. It takes nothing that append would not
// have written: what has been sealed by us and does not parse was written by
// another version, and to guess at it could open what has ended.
func parseEntry(b []byte) (Entry, error) {
	if len(b) == 0 {
		return Entry{}, ErrUnreadable
	}
	e := Entry{State: State(b[0])}
	b = b[1:]
	switch e.State {
	case Ended:
		if len(b) != 0 {
			return Entry{}, ErrUnreadable
		}
		return e, nil
	// None is not among them: it is never written.
	case Live, Refreshing:
	default:
		return Entry{}, ErrUnreadable
	}
	var setbacks uint64
	for _, field := range []*uint64{&e.Generation, &setbacks} {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return Entry{}, ErrUnreadable
		}
		*field, b = v, b[n:]
	}
	e.Failures, e.Final, e.Pause = unpackSetbacks(setbacks)
	if e.State == Refreshing {
		if len(b) < 8 {
			return Entry{}, ErrUnreadable
		}
		e.Holder, b = binary.BigEndian.Uint64(b), b[8:]
	}
	rest, err := record.ParseCredential(b, &e.Credential)
	if err != nil || len(rest) != 0 {
		return Entry{}, ErrUnreadable
	}
	return e, nil
}
