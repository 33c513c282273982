package ecgridsession

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
)

// cutOffAtSignIn is the number that a new session must have so as not to count
// as one from before the user last signed out everywhere. Where the number
// cannot be read, which ends every session, it is replaced.
func (m *Middleware) cutOffAtSignIn(ctx context.Context, keys *sessionKeys) (uint64, error) {
	number, _, err := m.lookCutOff(ctx, keys)
	if errors.Is(err, errEntryUnreadable) {
		return m.raiseCutOff(ctx, keys, 0)
	}
	return number, err
}

func (m *Middleware) lookCutOff(ctx context.Context, keys *sessionKeys) (number uint64, stored []byte, err error) {
	values, err := m.ledger.load(ctx, keys.user())
	if err != nil {
		return 0, nil, err
	}
	number, err = m.ledger.openCutOff(keys.user(), values[0])
	return number, values[0], err
}

// raiseCutOff ends every session of the user that has started so far, on any
// replica and by any clock: the new number is higher than that of each of them,
// own among them.
func (m *Middleware) raiseCutOff(ctx context.Context, keys *sessionKeys, own uint64) (uint64, error) {
	for range maxSwaps {
		number, stored, err := m.lookCutOff(ctx, keys)
		if err != nil && !errors.Is(err, errEntryUnreadable) {
			return 0, err
		}
		next := max(uint64(m.now().UnixMilli()), number+1, own+1)
		// Until the last of them would have ended by itself.
		ttl := m.cfg.Lifetime + clockSlack
		plain := binary.BigEndian.AppendUint64(nil, next)
		swapped, err := m.ledger.swap(ctx, keys.user(), stored, plain, ttl)
		if err != nil {
			return 0, err
		}
		if swapped {
			return next, nil
		}
	}
	return 0, fmt.Errorf("%w: the cut-off kept changing", ErrLedgerUnavailable)
}
