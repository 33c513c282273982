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
// process and across replicas. Nothing leads out of ended.
type entryState byte

// The states, as they are written: a number is never used for another one.
const (
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
	failures   uint64            // live and refreshing: refreshes in a row without a verdict
	holder     uint64            // refreshing: who holds the lease, a random number

	// stored is what the ledger returned, for the next compare-and-swap; nil
	// for entryNone.
	stored []byte
}

// append writes the entry in the form that is sealed.
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

// parseEntry is the inverse of append.
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
