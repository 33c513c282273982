package ledgertest

import (
	"errors"
	"fmt"
	"time"

	"github.com/ecgrid-contrib/ecgridsession"
)

const (
	// brief is a ttl to wait for. A quarter of it is left to clocks that count
	// in milliseconds, or by ticks.
	brief    = 400 * time.Millisecond
	surely   = brief * 3 / 4
	lookEach = 10 * time.Millisecond
)

// stays returns an error if value is missing under key before d has passed
// since began.
func stays(l ecgridsession.Ledger, key string, value []byte, began time.Time, d time.Duration) error {
	for {
		err := holds(l, key, value)
		stood := time.Since(began)
		if stood >= d {
			return nil // a machine that stopped meanwhile proves nothing
		}
		if err != nil {
			return fmt.Errorf("%s after it was stored: %w", stood, err)
		}
		time.Sleep(lookEach)
	}
}

// goes returns an error unless the entry under key goes.
func goes(l ecgridsession.Ledger, key string) error {
	began := time.Now()
	for {
		err := holds(l, key, nil)
		if err == nil {
			return nil
		}
		if time.Since(began) > patience {
			return fmt.Errorf("the entry has not gone: %w", err)
		}
		time.Sleep(lookEach)
	}
}

func staysThenGoes(l ecgridsession.Ledger) error {
	key, value := newKey(), []byte("for a while")
	began := time.Now()
	return errors.Join(
		swaps(l, key, nil, value, brief),
		stays(l, key, value, began, surely),
		goes(l, key),
	)
}

func lapsedIsAbsent(l ecgridsession.Ledger) error {
	key, lapsed := newKey(), []byte("lapsed")
	return errors.Join(
		swaps(l, key, nil, lapsed, brief),
		goes(l, key),
		refuses(l, key, lapsed, []byte("next"), ttl),
		holds(l, key, nil),
		swaps(l, key, nil, []byte("anew"), ttl),
		holds(l, key, []byte("anew")),
	)
}

func swapSetsTTL(l ecgridsession.Ledger) error {
	longer, same, shorter := newKey(), newKey(), newKey()
	value, next := []byte("value"), []byte("next")
	began := time.Now()
	return errors.Join(
		swaps(l, longer, nil, value, brief),
		swaps(l, longer, value, next, ttl),
		swaps(l, same, nil, value, brief),
		swaps(l, same, value, value, ttl), // the same bytes, and yet a new time
		swaps(l, shorter, nil, value, ttl),
		swaps(l, shorter, value, next, brief),
		goes(l, shorter),
		stays(l, longer, next, began, 2*brief),
		stays(l, same, value, began, 2*brief+lookEach),
	)
}

func refusalLeavesTTL(l ecgridsession.Ledger) error {
	long, short := newKey(), newKey()
	value, other := []byte("value"), []byte("other")
	began := time.Now()
	return errors.Join(
		swaps(l, long, nil, value, ttl),
		refuses(l, long, other, other, brief/4),
		refuses(l, long, nil, other, brief/4),
		swaps(l, short, nil, value, brief),
		refuses(l, short, other, other, ttl),
		refuses(l, short, nil, other, ttl),
		goes(l, short),
		stays(l, long, value, began, 2*brief),
	)
}

// shortestTTL: a backend that counts in milliseconds, or seconds, must neither
// refuse what it rounds to nothing nor keep it for good.
func shortestTTL(l ecgridsession.Ledger) error {
	var faults []error
	for _, d := range []time.Duration{1, time.Microsecond, time.Millisecond - 1, time.Millisecond, time.Millisecond + 1} {
		key := newKey()
		faults = append(faults, swaps(l, key, nil, []byte("brief"), d), goes(l, key))
	}
	return errors.Join(faults...)
}

// longTTL: there are backends that take a large number for a date long past.
func longTTL(l ecgridsession.Ledger) error {
	const day = 24 * time.Hour
	var faults []error
	for _, d := range []time.Duration{8 * time.Hour, 25 * day, 31 * day, 50 * day, 400 * day} {
		key := newKey()
		faults = append(faults, swaps(l, key, nil, []byte("for long"), d))
		time.Sleep(lookEach)
		if err := holds(l, key, []byte("for long")); err != nil {
			faults = append(faults, fmt.Errorf("a ttl of %s: %w", d, err))
		}
	}
	return errors.Join(faults...)
}
