package session

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/ecgrid-contrib/ecgridsession/internal/seal"
)

// Ledger is the app's ledger as the middleware uses it: ids in keys, values
// sealed, every call with a deadline.
//
// The Ledger is the app's, on a server that others may read and write. So no
// session id, no token and no login gets there in the clear; a user's number
// does, in the key of the cut-off. And nothing that comes from there is
// believed without its seal. What a writer there can do all the same is put an
// older value of ours back (package ecgridsession, Security).
type Ledger struct {
	backend Backend
	ring    *seal.Ring
	salt    [16]byte // of the upstream: two of them may share a ledger
	// timeout is 0 where no call blocks, so that none needs a deadline, whose
	// timer would cost more than the call.
	timeout time.Duration
	streams streams
}

// NewLedger has keys of its own, by their purpose: a cookie's value never opens
// as an entry. upstream is the canonical form of ECGrid's address. A timeout of
// 0 is for a backend that never blocks.
func NewLedger(backend Backend, keys [][]byte, upstream string, timeout time.Duration) (*Ledger, error) {
	ring, err := seal.NewRing(keys, "ledger")
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte("ecgridsession ledger\x00" + upstream))
	return &Ledger{backend: backend, ring: ring, salt: [16]byte(sum[:16]), timeout: timeout}, nil
}

// Keys are those of one session and its user at this upstream.
func (l *Ledger) Keys(id [16]byte, userID int64) Keys { return newKeys(l.salt, id, userID) }

// Look returns the session's entry and the user's cut-off number in one round
// trip. Its error is ErrUnavailable or, if a value cannot be read,
// ErrUnreadable with what is stored in the entry; ErrForeign where it is the cut-off
// that cannot be read.
func (l *Ledger) Look(ctx context.Context, keys *Keys) (found Entry, cutOff uint64, err error) {
	values, err := l.load(ctx, keys.at[:]...)
	if err != nil {
		return Entry{}, 0, err
	}
	found, err = l.openEntry(keys.Session(), values[0])
	if err == nil {
		cutOff, err = l.openCutOff(keys.User(), values[1])
	}
	return found, cutOff, err
}

// LookEntry returns the session's entry alone. It is for transitions, which are
// decided by the entry; the cut-off has been judged by the request.
func (l *Ledger) LookEntry(ctx context.Context, keys *Keys) (Entry, error) {
	values, err := l.load(ctx, keys.Session())
	if err != nil {
		return Entry{}, err
	}
	return l.openEntry(keys.Session(), values[0])
}

// SwapEntry puts next in the place of was; stored are the bytes that stand there
// then. After an error they may or may not.
func (l *Ledger) SwapEntry(
	ctx context.Context, keys *Keys, was, next Entry, ttl time.Duration,
) (stored []byte, swapped bool, err error) {
	stored, swapped, err = l.swap(ctx, keys.Session(), was.Stored, next.append(nil), ttl)
	if swapped && next.State == Ended {
		// Those of other replicas find out by their own look.
		l.streams.end(keys.Session())
	}
	return stored, swapped, err
}

// openEntry returns stored with the error too, so that a sign-out can put
// "ended" over what it cannot read.
func (l *Ledger) openEntry(key string, value []byte) (Entry, error) {
	if value == nil {
		return Entry{}, nil
	}
	// The key is the additional data: a value moved here from another session
	// does not open.
	plain, _, err := l.ring.Open(nil, value, []byte(key))
	if err != nil {
		return Entry{Stored: value}, ErrUnreadable
	}
	e, err := parseEntry(plain)
	e.Stored = value
	return e, err
}

// openCutOff reads a user's number; 0 is that of a user who has never signed
// out everywhere.
func (l *Ledger) openCutOff(key string, value []byte) (uint64, error) {
	if value == nil {
		return 0, nil
	}
	plain, _, err := l.ring.Open(nil, value, []byte(key))
	if err != nil || len(plain) != 8 {
		return 0, ErrForeign
	}
	return binary.BigEndian.Uint64(plain), nil
}

// load is one call of the Ledger. Whatever its error, it becomes
// ErrUnavailable: nothing is known then, which must never pass for "there
// is none".
func (l *Ledger) load(ctx context.Context, keys ...string) ([][]byte, error) {
	ctx, cancel := l.deadline(ctx)
	defer cancel()
	values, err := contained{l.backend}.Load(ctx, keys...)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	// A ledger that breaks its contract would else give one key's value for
	// another's.
	case len(values) != len(keys):
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, errors.New("wrong number of values"))
	}
	return values, nil
}

// swap is one compare-and-swap. It compares sealed bytes, which never repeat,
// so a state that was there, went and came again is not taken for the same.
//
// A client that repeats a swap whose answer was lost finds next where it expects
// old, and reports that it lost. So a lost swap is looked at: bytes that only
// this call can have sealed mean that it took place.
func (l *Ledger) swap(
	ctx context.Context, key string, old, plain []byte, ttl time.Duration,
) (stored []byte, swapped bool, err error) {
	ctx, cancel := l.deadline(ctx)
	defer cancel()
	next := l.ring.Seal(nil, plain, []byte(key))
	swapped, err = contained{l.backend}.CompareAndSwap(ctx, key, old, next, ttl)
	if err != nil {
		return nil, false, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if !swapped {
		present, err := l.load(ctx, key)
		if err != nil {
			return nil, false, err
		}
		swapped = bytes.Equal(present[0], next)
	}
	return next, swapped, nil
}

// deadline bounds one call. A browser that hangs up does not cut it short: that
// would look like a ledger that is down. Nothing but Config.LedgerTimeout
// bounds it: an outage costs each request that and no more.
func (l *Ledger) deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if l.timeout == 0 {
		return context.Background(), func() {}
	}
	return context.WithTimeout(context.WithoutCancel(ctx), l.timeout)
}
