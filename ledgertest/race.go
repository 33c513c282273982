package ledgertest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ecgrid-contrib/ecgridsession"
)

// Many at one key at once: what a test of one caller never shows. Sign-out,
// refresh and takeover are each one compare-and-swap, and all that the
// middleware promises across replicas is promised by this: of those who start
// from the same value one wins, everybody else is told, and no value that was
// replaced comes back.

// crowd is how many go at one key at once. More than many pools have
// connections, so that calls wait for one another in the client as well as in
// the backend.
const crowd = 64

// oneSwaps: all of them begin at the same moment, twenty times over. A ledger
// that reads, compares and writes in steps lets two through sooner or later.
// That more win than one would be two refreshes with one token; that none wins,
// a session that nobody can end.
func oneSwaps(l ecgridsession.Ledger) error {
	key, present := newKey(), []byte(nil)
	for round := range 20 {
		// Counted by what the ledger tells each of them: who is not told of its
		// success does not act on it, and who is told without one acts twice.
		var winners atomic.Int32
		var won atomic.Pointer[[]byte]
		// Without it the first would be done before the last has begun.
		start := make(chan struct{})
		err := all(crowd, func(i int) error {
			if i == 0 {
				// The last goroutine to be there is not known; the first lets
				// all go.
				close(start)
			}
			<-start
			// Different values, so that it shows whose stands there.
			next := fmt.Appendf(nil, "round %d, %d", round, i)
			swapped, err := swap(l, key, present, next, ttl)
			if swapped {
				winners.Add(1)
				won.Store(&next)
			}
			return err
		})
		switch {
		case err != nil:
			return err
		// Counted before the value is looked at: what stands there is right by
		// chance where two have won.
		case winners.Load() != 1:
			return fmt.Errorf("of %d calls with the same old %d swap, want 1", crowd, winners.Load())
		}
		// The next round starts from what the winner wrote; the losers' values
		// must be nowhere.
		present = *won.Load()
		if err := holds(l, key, present); err != nil {
			return fmt.Errorf("after the swap of one: %w", err)
		}
	}
	return nil
}

// noUpdateLost: each of them counts up by what it has read. A swap that is
// reported and not made, or made and overwritten, is missing in the end.
func noUpdateLost(l ecgridsession.Ledger) error {
	const each = 4
	key := newKey()
	err := all(crowd, func(int) error {
		// As the middleware does it (maxSwaps), but for longer.
		for done, tries := 0, 0; done < each; tries++ {
			// So that a ledger that refuses for good ends the clause and does
			// not hang it.
			if tries > crowd*each {
				return fmt.Errorf("%d calls are refused, though each refusal is another's success, and of these there are fewer", tries-done)
			}
			present, err := load(l, key)
			if err != nil {
				return err
			}
			swapped, err := swap(l, key, present, number(numberIn(present)+1), ttl)
			if err != nil {
				return err
			}
			if swapped {
				done++
			}
		}
		return nil
	})
	// One count too few is an update that was lost, one too many a swap that
	// was made twice.
	return errors.Join(err, holds(l, key, number(crowd*each)))
}

// number and numberIn write and read a count as a value; no value is 0. Eight
// bytes for any number: no value is the beginning of another.
func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// numberIn takes what is not of eight bytes, and so not number's, for 0.
func numberIn(value []byte) uint64 {
	if len(value) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(value)
}

// noLateWrite ends sessions while they are refreshed, and then tries every
// write that was prepared before the end. That is the first promise: an answer
// of ECGrid's that arrives late, in a process that slept, must not write over
// the end. All that such a process has to compare with is what it saw before,
// and each of these values is tried.
func noLateWrite(l ecgridsession.Ledger) error {
	// Fifteen replicas, each with some refreshes before the end and some amid
	// it.
	const refreshers, each = 15, 4
	ended := []byte("ended")
	for range 5 {
		key := newKey()
		// All have written something before the end, and go on writing while it
		// is made.
		var midway sync.WaitGroup
		midway.Add(refreshers)
		over := make(chan struct{})
		err := all(refreshers+1, func(i int) error {
			if i == refreshers {
				midway.Wait()
				defer close(over)
				// The end is made while the second half of the writes is under
				// way: it may come between any two of them.
				return endOf(l, key, ended, refreshers*each)
			}
			// Both halves keep what they saw: these are the values that a late
			// process could still hold.
			before, err := refreshes(l, key, ended, fmt.Sprintf("before, by %d", i), each)
			midway.Done()
			amid, amidErr := refreshes(l, key, ended, fmt.Sprintf("amid, by %d", i), each)
			<-over
			// After the end no old will do, nil among them: the session must
			// not begin anew either.
			faults := []error{err, amidErr, refuses(l, key, nil, []byte("begun anew"), ttl)}
			for _, old := range append(before, amid...) {
				faults = append(faults, refuses(l, key, old, []byte("revived"), ttl))
			}
			return errors.Join(faults...)
		})
		if err := errors.Join(err, holds(l, key, ended)); err != nil {
			return err
		}
	}
	return nil
}

// refreshes writes so many values, unless the session has ended, and returns
// all that it has seen and written. It does what a replica does: look, then
// swap from what was seen. A swap that is lost is as good as one that is made:
// its value was prepared, and must not get in later.
func refreshes(l ecgridsession.Ledger, key string, ended []byte, by string, writes int) ([][]byte, error) {
	var known [][]byte
	for n := range writes {
		present, err := load(l, key)
		// A replica that sees the end stops there.
		if err != nil || bytes.Equal(present, ended) {
			return known, err
		}
		next := fmt.Appendf(nil, "live %d %s", n, by)
		if _, err := swap(l, key, present, next, ttl); err != nil {
			return known, err
		}
		known = append(known, present, next)
	}
	return known, nil
}

// endOf ends a session whatever its state, while others make so many writes.
// Each failure of its swap is another's success, so it succeeds at the latest
// when the others have nothing left to write.
func endOf(l ecgridsession.Ledger, key string, ended []byte, writes int) error {
	// One more than the others can make fail.
	for range writes + 1 {
		present, err := load(l, key)
		if err != nil {
			return err
		}
		swapped, err := swap(l, key, present, ended, ttl)
		if err != nil || swapped {
			return err
		}
	}
	return errors.New("the end is refused more often than there are other writes")
}

// neverBack writes values of very different lengths, rising, while others read.
// A value that is read in two pieces is not one that anybody wrote; a reader
// who is given an older one than before, as from a replica that lags, opens a
// session that has ended.
func neverBack(l ecgridsession.Ledger) error {
	const last = 200
	key := newKey()
	valueOf := func(n uint64) []byte {
		// The length changes by a factor of up to a thousand from one value to
		// the next, so that one that is written piece by piece is caught in
		// between. The number stands at every place, by which a mixture is
		// known.
		return bytes.Repeat(number(n), 1+int(n%3)*500)
	}
	if err := swaps(l, key, nil, valueOf(0), ttl); err != nil {
		return err
	}
	// written is up to where swaps have returned. Reads that begin after that
	// must see no less: that is what linearizable means for them.
	var written atomic.Uint64
	var stop atomic.Bool
	// One that writes and eight that read.
	return all(9, func(i int) error {
		if i == 0 {
			defer stop.Store(true)
			for n := range uint64(last) {
				if err := swaps(l, key, valueOf(n), valueOf(n+1), ttl); err != nil {
					return err
				}
				written.Store(n + 1)
			}
			return nil
		}
		var seen uint64
		for !stop.Load() {
			// Read before the Load is made: what is written during it may be
			// seen or not.
			least := max(seen, written.Load())
			got, err := load(l, key)
			switch {
			case err != nil:
				return err
			// No value at all, or the beginning of one: there is always a whole
			// one to be read, before a swap and after it.
			case len(got) < 8:
				return fmt.Errorf("a Load gives %s while the value is replaced", show(got))
			}
			n := numberIn(got[:8])
			switch {
			case n > last || !bytes.Equal(got, valueOf(n)):
				return fmt.Errorf("a Load gives a mixture of two values: %s", show(got))
			case n < least:
				return fmt.Errorf("a Load gives value %d after %d was there", n, least)
			}
			seen = n
			// The writer is to get a turn on a machine of one core.
			time.Sleep(100 * time.Microsecond)
		}
		return nil
	})
}

// eachByItself: the crowd at one key each. Nobody gets in another's way, and no
// call's arguments into another call.
func eachByItself(l ecgridsession.Ledger) error {
	return all(crowd, func(i int) error {
		key, present := newKey(), []byte(nil)
		for n := range 8 {
			// The number of the caller is in the value, so that a stray one is
			// known by it.
			next := fmt.Appendf(nil, "%d of %d", n, i)
			if err := errors.Join(swaps(l, key, present, next, ttl), holds(l, key, next)); err != nil {
				return err
			}
			present = next
		}
		return nil
	})
}
