package session

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
)

// CutOffAtSignIn is the number that a new session must have so as not to count
// as one from before the user last signed out everywhere. Where the number
// cannot be read, which ends every session, it is replaced.
func (l *Ledger) CutOffAtSignIn(ctx context.Context, keys *Keys, limits *Limits) (uint64, error) {
	number, _, err := l.lookCutOff(ctx, keys)
	if errors.Is(err, ErrUnreadable) {
		number, _, err = l.RaiseCutOff(ctx, keys, limits, 0)
	}
	return number, err
}

// EndAllOf ends every session of a user that has started so far, on any replica,
// and the streams of this process. A cut-off that another call raises in between
// has ended them too.
func (l *Ledger) EndAllOf(ctx context.Context, userID int64, limits *Limits) error {
	keys := l.Keys([16]byte{}, userID) // of no session; the user's key is what counts
	number, _, err := l.lookCutOff(ctx, &keys)
	if err != nil && !errors.Is(err, ErrUnreadable) {
		return err
	}
	_, _, err = l.RaiseCutOff(ctx, &keys, limits, number)
	return err
}

// lookCutOff gives what is stored with the error of a number that cannot be
// read, so that it can be replaced.
func (l *Ledger) lookCutOff(ctx context.Context, keys *Keys) (number uint64, stored []byte, err error) {
	values, err := l.load(ctx, keys.User())
	if err != nil {
		return 0, nil, err
	}
	number, err = l.openCutOff(keys.User(), values[0])
	return number, values[0], err
}

// RaiseCutOff ends every session of the user that has started so far, on any
// replica and by any clock: the new number is higher than that of each of them,
// own among them. Where it is higher than own already, nothing is raised.
func (l *Ledger) RaiseCutOff(ctx context.Context, keys *Keys, limits *Limits, own uint64) (next uint64, raised bool, err error) {
	for range MaxSwaps {
		number, stored, err := l.lookCutOff(ctx, keys)
		switch {
		case errors.Is(err, ErrUnreadable): // replaced below
		case err != nil:
			return 0, false, err
		case number > own:
			return number, false, nil
		}
		// Counting would do, were no ledger ever to lose its data. The time of
		// day is what makes a number after such a loss higher than those of the
		// sessions from before; the terms beside it are for clocks that go
		// back.
		next := max(uint64(limits.Now().UnixMilli()), number+1, own+1)
		// Until the last of them would have ended by itself.
		ttl := limits.Lifetime + ClockSlack
		plain := binary.BigEndian.AppendUint64(nil, next)
		_, swapped, err := l.swap(ctx, keys.User(), stored, plain, ttl)
		if err != nil {
			return 0, false, err
		}
		if swapped {
			// Another user's streams are under another key; those of other
			// replicas find out by their own look.
			l.streams.end(keys.User())
			return next, true, nil
		}
	}
	return 0, false, fmt.Errorf("%w: the cut-off kept changing", ErrUnavailable)
}
