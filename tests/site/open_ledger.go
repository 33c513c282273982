package site

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ecgrid-contrib/ecgridsession"
)

// WithLedger starts a site on a ledger that the test can break.
func WithLedger(t *testing.T, changes ...func(*ecgridsession.Config)) (*Site, *OpenLedger) {
	t.Helper()
	ledger := NewOpenLedger()
	return New(t, With(append(changes, func(cfg *ecgridsession.Config) { cfg.Ledger = ledger })...)), ledger
}

// Bounded is far over what a hanging ledger may cost one request, and far
// under forever.
const Bounded = 20 * time.Second

// OpenLedger is a Ledger whose data a test can see, lose, forge and make
// unreachable.
type OpenLedger struct {
	mu     sync.Mutex
	values map[string][]byte
	ttls   map[string]time.Duration
	asked  []string // the keys of the latest Load
	fault  LedgerState
	Calls  int
}

// LedgerState is what happens to each call.
type LedgerState int

// The states of an [OpenLedger].
const (
	Works        LedgerState = iota
	Fails                    // with an error, at once
	Hangs                    // until its context is done
	FailsToStore             // Load works
	LosesAnswers             // CompareAndSwap stores, and then fails
	Miscounts                // Load returns fewer values than keys
)

// ErrOpenLedger is what a failing [OpenLedger] says.
var ErrOpenLedger = errors.New("the ledger of this test is down")

// NewOpenLedger returns an empty ledger that works.
func NewOpenLedger() *OpenLedger {
	return &OpenLedger{values: map[string][]byte{}, ttls: map[string]time.Duration{}}
}

// Load implements [ecgridsession.Ledger].
func (l *OpenLedger) Load(ctx context.Context, keys ...string) ([][]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Calls++
	l.asked = slices.Clone(keys)
	values := make([][]byte, len(keys))
	for i, key := range keys {
		values[i] = l.values[key]
	}
	switch l.fault {
	case Fails:
		return nil, ErrOpenLedger
	case Hangs:
		return nil, l.hang(ctx)
	case Miscounts:
		return values[1:], nil
	default:
		return values, nil
	}
}

// CompareAndSwap implements [ecgridsession.Ledger].
func (l *OpenLedger) CompareAndSwap(ctx context.Context, key string, old, next []byte, ttl time.Duration) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Calls++
	switch l.fault {
	case Fails, FailsToStore:
		return false, ErrOpenLedger
	case Hangs:
		return false, l.hang(ctx)
	}
	present := l.values[key]
	if (present == nil) != (old == nil) || !bytes.Equal(present, old) {
		return false, nil
	}
	l.values[key], l.ttls[key] = slices.Clone(next), ttl
	if l.fault == LosesAnswers {
		return false, ErrOpenLedger
	}
	return true, nil
}

// hang waits without the lock.
func (l *OpenLedger) hang(ctx context.Context) error {
	l.mu.Unlock()
	defer l.mu.Lock()
	<-ctx.Done()
	return ctx.Err()
}

// Becomes sets what happens to each call from now on.
func (l *OpenLedger) Becomes(fault LedgerState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fault = fault
}

// Lose forgets everything, as FLUSHALL does.
func (l *OpenLedger) Lose() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.values)
}

// Put stores a value as it is.
func (l *OpenLedger) Put(key string, value []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.values[key] = value
}

// Get returns a value, or nil.
func (l *OpenLedger) Get(key string) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.values[key]
}

// LastAsked is the key of a kind ('s': the session's, 'u': the user's) in the
// latest Load.
func (l *OpenLedger) LastAsked(kind string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.asked, func(key string) bool { return strings.HasPrefix(key, kind) })
	return l.asked[i]
}

// TimesToLive are the ones that the stored values were given.
func (l *OpenLedger) TimesToLive() []time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []time.Duration
	for _, ttl := range l.ttls {
		all = append(all, ttl)
	}
	return all
}
