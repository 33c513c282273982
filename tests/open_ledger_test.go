package tests

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"
)

// openLedger is a Ledger whose data a test can see, lose, forge and make
// unreachable.
type openLedger struct {
	mu     sync.Mutex
	values map[string][]byte
	ttls   map[string]time.Duration
	asked  []string // the keys of the latest Load
	fault  ledgerFault
	calls  int
}

// ledgerFault is what happens to each call.
type ledgerFault int

const (
	works        ledgerFault = iota
	fails                    // with an error, at once
	hangs                    // until its context is done
	failsToStore             // Load works
	losesAnswers             // CompareAndSwap stores, and then fails
	miscounts                // Load returns fewer values than keys
)

var errLedgerOfTest = errors.New("the ledger of this test is down")

func newOpenLedger() *openLedger {
	return &openLedger{values: map[string][]byte{}, ttls: map[string]time.Duration{}}
}

func (l *openLedger) Load(ctx context.Context, keys ...string) ([][]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls++
	l.asked = slices.Clone(keys)
	values := make([][]byte, len(keys))
	for i, key := range keys {
		values[i] = l.values[key]
	}
	switch l.fault {
	case fails:
		return nil, errLedgerOfTest
	case hangs:
		return nil, l.hang(ctx)
	case miscounts:
		return values[1:], nil
	default:
		return values, nil
	}
}

func (l *openLedger) CompareAndSwap(ctx context.Context, key string, old, next []byte, ttl time.Duration) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls++
	switch l.fault {
	case fails, failsToStore:
		return false, errLedgerOfTest
	case hangs:
		return false, l.hang(ctx)
	}
	present := l.values[key]
	if (present == nil) != (old == nil) || !bytes.Equal(present, old) {
		return false, nil
	}
	l.values[key], l.ttls[key] = slices.Clone(next), ttl
	if l.fault == losesAnswers {
		return false, errLedgerOfTest
	}
	return true, nil
}

// hang waits without the lock.
func (l *openLedger) hang(ctx context.Context) error {
	l.mu.Unlock()
	defer l.mu.Lock()
	<-ctx.Done()
	return ctx.Err()
}

func (l *openLedger) becomes(fault ledgerFault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fault = fault
}

// lose forgets everything, as FLUSHALL does.
func (l *openLedger) lose() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.values)
}

func (l *openLedger) put(key string, value []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.values[key] = value
}

func (l *openLedger) get(key string) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.values[key]
}

// lastAsked is the key of a kind ('s': the session's, 'u': the user's) in the
// latest Load.
func (l *openLedger) lastAsked(kind string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.asked, func(key string) bool { return strings.HasPrefix(key, kind) })
	return l.asked[i]
}

func (l *openLedger) timesToLive() []time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []time.Duration
	for _, ttl := range l.ttls {
		all = append(all, ttl)
	}
	return all
}
