// Package ledgertest is the conformance suite that every
// [ecgridsession.Ledger] passes. Sign-out is only as good as the ledger, so an
// implementation of one's own is run through it in its tests:
//
//	func TestLedger(t *testing.T) {
//		ledgertest.Run(t, func(t *testing.T) ecgridsession.Ledger {
//			return newLedger(t)
//		})
//	}
package ledgertest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ecgrid-contrib/ecgridsession"
)

// Run holds the ledgers that open returns to the contract of
// [ecgridsession.Ledger], in one subtest for each of its clauses. It takes some
// seconds, since it waits for entries to lapse.
//
// open is called once for each subtest, and may be called concurrently. The
// ledgers may share a backend, with each other and with other users of it: the
// keys are random. What open opens it also closes, by t.Cleanup. Each fault is
// an error of its subtest and stops no other, so that one run tells all that is
// wrong.
func Run(t *testing.T, open func(t *testing.T) ecgridsession.Ledger) {
	t.Helper()
	for _, c := range clauses {
		t.Run(c.name, func(t *testing.T) {
			// The clauses that wait for an entry to lapse then wait together.
			t.Parallel()
			if err := c.holds(open(t)); err != nil {
				t.Error(err)
			}
		})
	}
}

// clause is one thing that the contract says. holds returns how the ledger
// breaks it. It needs no *testing.T, so the tests can show for each clause that
// it catches a ledger that is broken in just this point. The name is a sentence
// of the contract, so a failure reads as the clause that is broken.
type clause struct {
	name  string
	holds func(ecgridsession.Ledger) error
}

// clauses are in the order of the files that have them. A clause comes with
// ledgers that break it in the tests of this package: one that catches none of
// them proves nothing.
var clauses = []clause{
	// semantics.go
	{"an absent entry is nil", absentIsNil},
	{"one value for each key, in their order", inOrder},
	{"keys are told apart by every byte", keysApart},
	{"nil stands for no entry", nilIsAbsent},
	{"only the present value is replaced", onlyPresent},
	{"an empty value is not an absent one", emptyIsPresent},
	{"a value replaces its equal", equalReplaced},
	{"an ended session stays ended", endedStays},
	{"the caller's bytes remain its own", bytesRemain},
	{"values of every length and byte", everyValue},
	// lapse.go
	{"an entry stays for its ttl and then goes", staysThenGoes},
	{"a lapsed entry is absent", lapsedIsAbsent},
	{"a swap sets the ttl anew", swapSetsTTL},
	{"a refused swap leaves the ttl", refusalLeavesTTL},
	{"the shortest ttl", shortestTTL},
	{"a ttl of months", longTTL},
	// race.go
	{"of many with the same old one swaps", oneSwaps},
	{"no update is lost", noUpdateLost},
	{"no late write revives an ended session", noLateWrite},
	{"a value is read whole and never goes back", neverBack},
	{"each key by itself", eachByItself},
	// contexts.go
	{"a cancelled context", cancelledContext},
	{"an expired context", expiredContext},
	{"a context cancelled midway", cancelledMidway},
	{"an entry outlives the context it came with", outlivesContext},
}

const (
	// patience is how long a call may take that should return soon, and an
	// entry stay that should have gone: an order of magnitude over what any
	// backend needs, for machines that are busy with other tests. No clause
	// that holds ever waits for so long.
	patience = 10 * time.Second

	// ttl is for entries that outlive their test.
	ttl = time.Hour
)

// newKey is of the form that the middleware's keys have: a letter, and a hash
// in base64url. It is new for each use: a ledger may be shared with the clauses
// that run beside this one, and with what an earlier run has left.
func newKey() string {
	return "s" + rand.Text()[:22]
}

// soon is the context of a call that nothing ends early. Not the test's own,
// which ends with the test while a goroutine of a clause may still be in a
// call.
func soon() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience)
}

// holds returns an error unless want stands under key; nil: nothing does. An
// empty value is not nil: that is a clause of its own, and meant by every
// other.
func holds(l ecgridsession.Ledger, key string, want []byte) error {
	got, err := load(l, key)
	switch {
	case err != nil:
		return err
	// bytes.Equal takes nil and an empty value for the same, and the ledger
	// must not.
	case (got == nil) != (want == nil) || !bytes.Equal(got, want):
		return fmt.Errorf("Load(%q) gives %s, want %s", key, show(got), show(want))
	}
	return nil
}

// load is Load of one key. The number of values is looked at each time, since a
// ledger that gives none would make the clauses panic and say nothing.
func load(l ecgridsession.Ledger, key string) ([]byte, error) {
	ctx, cancel := soon()
	defer cancel()
	values, err := l.Load(ctx, key)
	switch {
	case err != nil:
		return nil, fmt.Errorf("Load(%q): %w", key, err)
	case len(values) != 1:
		return nil, fmt.Errorf("Load(%q) gives %d values, want 1", key, len(values))
	}
	return values[0], nil
}

// swap is CompareAndSwap. swap is CompareAndSwap of a call that nothing ends
// early. It returns what the ledger says; swaps and refuses say what it should.
func swap(l ecgridsession.Ledger, key string, old, next []byte, ttl time.Duration) (bool, error) {
	ctx, cancel := soon()
	defer cancel()
	swapped, err := l.CompareAndSwap(ctx, key, old, next, ttl)
	if err != nil {
		return false, fmt.Errorf("CompareAndSwap(%q, %s, %s, %s): %w", key, show(old), show(next), ttl, err)
	}
	return swapped, nil
}

// swaps returns an error unless next takes the place of old. An error of the
// call is passed on as it is.
func swaps(l ecgridsession.Ledger, key string, old, next []byte, ttl time.Duration) error {
	swapped, err := swap(l, key, old, next, ttl)
	if err == nil && !swapped {
		err = fmt.Errorf("CompareAndSwap(%q, %s, %s, %s) is refused, want it to swap", key, show(old), show(next), ttl)
	}
	return err
}

// refuses returns an error unless old is refused for not being the present
// value. An error is no refusal: nothing is known after one.
func refuses(l ecgridsession.Ledger, key string, old, next []byte, ttl time.Duration) error {
	swapped, err := swap(l, key, old, next, ttl)
	if err == nil && swapped {
		err = fmt.Errorf("CompareAndSwap(%q, %s, %s, %s) swaps, want it to be refused", key, show(old), show(next), ttl)
	}
	return err
}

// show gives as much of a value as tells it from another. Values are up to 64
// KiB long, and a log with one in it is read by nobody.
func show(value []byte) string {
	switch {
	case value == nil:
		return "no value"
	case len(value) <= 32:
		return fmt.Sprintf("%q", value)
	default:
		return fmt.Sprintf("%d bytes %q…", len(value), value[:16])
	}
}

// all runs f for each number below n at once, and joins what they return. It
// returns when the last is done, so nothing of a clause runs after it.
func all(n int, f func(i int) error) error {
	// With room for all of them: who is done does not wait for the collector.
	results := make(chan error, n)
	for i := range n {
		go func() { results <- f(i) }()
	}
	var faults []error
	for range n {
		faults = append(faults, <-results)
	}
	return errors.Join(faults...)
}
