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

// crowd is how many go at one key at once.
const crowd = 64

func oneSwaps(l ecgridsession.Ledger) error {
	key, present := newKey(), []byte(nil)
	for round := range 20 {
		var winners atomic.Int32
		var won atomic.Pointer[[]byte]
		start := make(chan struct{})
		err := all(crowd, func(i int) error {
			if i == 0 {
				close(start)
			}
			<-start
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
		case winners.Load() != 1:
			return fmt.Errorf("of %d calls with the same old %d swap, want 1", crowd, winners.Load())
		}
		present = *won.Load()
		if err := holds(l, key, present); err != nil {
			return fmt.Errorf("after the swap of one: %w", err)
		}
	}
	return nil
}

func noUpdateLost(l ecgridsession.Ledger) error {
	const each = 4
	key := newKey()
	err := all(crowd, func(int) error {
		for done, tries := 0, 0; done < each; tries++ {
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
	return errors.Join(err, holds(l, key, number(crowd*each)))
}

// number and numberIn write and read a count as a value; no value is 0.
func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func numberIn(value []byte) uint64 {
	if len(value) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(value)
}

// noLateWrite ends sessions while they are refreshed, and then tries every write
// that was prepared before the end.
func noLateWrite(l ecgridsession.Ledger) error {
	const refreshers, each = 15, 4
	ended := []byte("ended")
	for range 5 {
		key := newKey()
		var midway sync.WaitGroup
		midway.Add(refreshers)
		over := make(chan struct{})
		err := all(refreshers+1, func(i int) error {
			if i == refreshers {
				midway.Wait()
				defer close(over)
				return endOf(l, key, ended, refreshers*each)
			}
			before, err := refreshes(l, key, ended, fmt.Sprintf("before, by %d", i), each)
			midway.Done()
			amid, amidErr := refreshes(l, key, ended, fmt.Sprintf("amid, by %d", i), each)
			<-over
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
// all that it has seen and written.
func refreshes(l ecgridsession.Ledger, key string, ended []byte, by string, writes int) ([][]byte, error) {
	var known [][]byte
	for n := range writes {
		present, err := load(l, key)
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
func endOf(l ecgridsession.Ledger, key string, ended []byte, writes int) error {
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
func neverBack(l ecgridsession.Ledger) error {
	const last = 200
	key := newKey()
	valueOf := func(n uint64) []byte {
		return bytes.Repeat(number(n), 1+int(n%3)*500)
	}
	if err := swaps(l, key, nil, valueOf(0), ttl); err != nil {
		return err
	}
	var written atomic.Uint64 // a swap to it has returned
	var stop atomic.Bool
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
			least := max(seen, written.Load())
			got, err := load(l, key)
			switch {
			case err != nil:
				return err
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
			time.Sleep(100 * time.Microsecond)
		}
		return nil
	})
}

func eachByItself(l ecgridsession.Ledger) error {
	return all(crowd, func(i int) error {
		key, present := newKey(), []byte(nil)
		for n := range 8 {
			next := fmt.Appendf(nil, "%d of %d", n, i)
			if err := errors.Join(swaps(l, key, present, next, ttl), holds(l, key, next)); err != nil {
				return err
			}
			present = next
		}
		return nil
	})
}
