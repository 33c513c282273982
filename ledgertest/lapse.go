package ledgertest

import (
	"errors"
	"fmt"
	"time"

	"github.com/ecgrid-contrib/ecgridsession"
)

// Times to live. Most entries are left to lapse by themselves, so a ledger that
// keeps them too long grows without end, and one that drops them early opens
// sessions that have ended. The clauses wait by looking again and again, and
// each is as patient as a machine that is busy with other tests needs: what has
// to stay is looked for until a little before its time, what has to go until
// long after.

const (
	// brief is a ttl to wait for. A quarter of it is left to clocks that count
	// in milliseconds, or by ticks.
	brief  = 400 * time.Millisecond
	surely = brief * 3 / 4
	// lookEach is how often an entry that is to lapse is looked at.
	lookEach = 10 * time.Millisecond
)

// stays returns an error if value is missing under key before d has passed
// since began.
func stays(l ecgridsession.Ledger, key string, value []byte, began time.Time, d time.Duration) error {
	for {
		// The value first and the time after it: a look that came too late is
		// then never taken for an early loss.
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

// goes returns an error unless the entry under key goes. Soon is enough, and
// patience is the bound: the contract promises no moment.
func goes(l ecgridsession.Ledger, key string) error {
	began := time.Now()
	for {
		// An error of the ledger is waited out here, too: what counts is that
		// the entry goes.
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

// staysThenGoes is the ttl as such: at least so long, and not for good.
func staysThenGoes(l ecgridsession.Ledger) error {
	key, value := newKey(), []byte("for a while")
	began := time.Now()
	return errors.Join(
		swaps(l, key, nil, value, brief),
		stays(l, key, value, began, surely),
		goes(l, key),
	)
}

// lapsedIsAbsent: by the words of the contract an entry that has lapsed is no
// value at all, so neither is it an old that fits, nor does it keep out a new
// one. A backend that sweeps now and then has to compare times when it is
// asked.
func lapsedIsAbsent(l ecgridsession.Ledger) error {
	key, lapsed := newKey(), []byte("lapsed")
	return errors.Join(
		swaps(l, key, nil, lapsed, brief),
		goes(l, key),
		// To replace what has lapsed would be to revive it.
		refuses(l, key, lapsed, []byte("next"), ttl),
		holds(l, key, nil),
		swaps(l, key, nil, []byte("anew"), ttl),
		holds(l, key, []byte("anew")),
	)
}

// swapSetsTTL: each swap brings its own time, longer or shorter. An ended
// session inherits the entry of a token that had minutes left, and must stay
// for hours.
func swapSetsTTL(l ecgridsession.Ledger) error {
	longer, same, shorter := newKey(), newKey(), newKey()
	value, next := []byte("value"), []byte("next")
	began := time.Now()
	return errors.Join(
		swaps(l, longer, nil, value, brief),
		// Three of them side by side, since each has to wait: to a longer time,
		// to the same value with a longer time, and to a shorter one.
		swaps(l, longer, value, next, ttl),
		swaps(l, same, nil, value, brief),
		swaps(l, same, value, value, ttl), // the same bytes, and yet a new time
		swaps(l, shorter, nil, value, ttl),
		swaps(l, shorter, value, next, brief),
		goes(l, shorter),
		// Twice the time that it had at first.
		stays(l, longer, next, began, 2*brief),
		stays(l, same, value, began, 2*brief+lookEach),
	)
}

// refusalLeavesTTL: who lost a swap has no say in how long the entry of the
// winner lives, neither by a shorter time nor by a longer one.
func refusalLeavesTTL(l ecgridsession.Ledger) error {
	long, short := newKey(), newKey()
	value, other := []byte("value"), []byte("other")
	began := time.Now()
	return errors.Join(
		swaps(l, long, nil, value, ttl),
		// By a value that is not there, and by nil where one is: backends have
		// a command of its own for the latter.
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
// refuse what it rounds to nothing nor keep it for good. The middleware never
// asks for less than seconds. It is for those who round: a ttl of 0 is "for
// good" or an error in many backends.
func shortestTTL(l ecgridsession.Ledger) error {
	var faults []error
	// Around the millisecond, in which most backends count.
	for _, d := range []time.Duration{1, time.Microsecond, time.Millisecond - 1, time.Millisecond, time.Millisecond + 1} {
		key := newKey()
		faults = append(faults, swaps(l, key, nil, []byte("brief"), d), goes(l, key))
	}
	return errors.Join(faults...)
}

// longTTL: there are backends that take a large number for a date long past. An
// app may set a Lifetime of weeks, and a sign-out must last as long.
func longTTL(l ecgridsession.Ledger) error {
	const day = 24 * time.Hour
	var faults []error
	// The default Lifetime; then those over 2^31 milliseconds, over memcached's
	// 30 days, over 2^32 milliseconds, and over a year.
	for _, d := range []time.Duration{8 * time.Hour, 25 * day, 31 * day, 50 * day, 400 * day} {
		key := newKey()
		faults = append(faults, swaps(l, key, nil, []byte("for long"), d))
		time.Sleep(lookEach)
		// A date that is long past may take a moment to take effect.
		if err := holds(l, key, []byte("for long")); err != nil {
			faults = append(faults, fmt.Errorf("a ttl of %s: %w", d, err))
		}
	}
	return errors.Join(faults...)
}
