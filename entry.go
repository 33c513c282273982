package ecgridsession

import (
	"encoding/binary"
	"errors"

	"github.com/ecgrid-contrib/ecgridsession/internal/record"
)

// entryState is where a session's ledger entry stands. The states and their
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
type entryState byte

// The states, as they are written: a number is never used for another one.
const (
	// They are sealed into ledgers that outlive a deploy.
	entryNone       entryState = 0 // there is no entry: the cookie alone speaks
	entryEnded      entryState = 1
	entryLive       entryState = 2
	entryRefreshing entryState = 3
)

// entry is what the ledger holds of one session.
type entry struct {
	state      entryState
	generation uint64            // of the credential below
	credential record.Credential // live and refreshing: the newest there is
	// failures, live and refreshing: refreshes in a row without a verdict. It
	// is in the entry so that all replicas together back off, and not each by
	// itself.
	failures uint64
	// holder, refreshing: who holds the lease, a random number. There is no
	// time in a claim, because no two clocks are compared: how long it has
	// stood is for each reader to measure (sightings.go).
	holder uint64

	// stored is what the ledger returned, for the next compare-and-swap; nil
	// for entryNone.
	stored []byte
}

// append writes the entry in the form that is sealed. An ended one is a single
// byte: it holds no credential any more, and it is what a ledger has most of,
// one for each sign-out until the session would have ended by itself.
func (e *entry) append(dst []byte) []byte {
	dst = append(dst, byte(e.state))
	if e.state == entryEnded {
		return dst
	}
	dst = binary.AppendUvarint(dst, e.generation)
	dst = binary.AppendUvarint(dst, e.failures)
	if e.state == entryRefreshing {
		dst = binary.BigEndian.AppendUint64(dst, e.holder)
	}
	return e.credential.Append(dst)
}

// errEntryUnreadable is of an entry that was not written by us, or not under
// its key. The session counts as ended.
var errEntryUnreadable = errors.New("ecgridsession: ledger entry cannot be read")

// parseEntry is the inverse of append. It takes nothing that append would not
// have written: what has been sealed by us and does not parse was written by
// another version, and to guess at it could open what has ended.
func parseEntry(b []byte) (entry, error) {
	if len(b) == 0 {
		return entry{}, errEntryUnreadable
	}
	e := entry{state: entryState(b[0])}
	b = b[1:]
	switch e.state {
	case entryEnded:
		if len(b) != 0 {
			return entry{}, errEntryUnreadable
		}
		return e, nil
	// entryNone is not among them: it is never written.
	case entryLive, entryRefreshing:
	default:
		return entry{}, errEntryUnreadable
	}
	for _, field := range []*uint64{&e.generation, &e.failures} {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return entry{}, errEntryUnreadable
		}
		*field, b = v, b[n:]
	}
	if e.state == entryRefreshing {
		if len(b) < 8 {
			return entry{}, errEntryUnreadable
		}
		e.holder, b = binary.BigEndian.Uint64(b), b[8:]
	}
	rest, err := record.ParseCredential(b, &e.credential)
	if err != nil || len(rest) != 0 {
		return entry{}, errEntryUnreadable
	}
	return e, nil
}
