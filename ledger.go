package ecgridsession

import (
	"context"
	"time"

	"github.com/ecgrid-contrib/ecgridsession/internal/memory"
)

// Ledger holds what a cookie cannot know: that its session has ended, that its
// token has been refreshed, and the credentials that do not belong into a
// cookie. All replicas of an app share one.
//
// Keys are short ASCII strings: that of a session is a hash, and that of a user
// holds ECGrid's number of the user for all to read. Values are sealed before
// they get here, so neither is a secret. Values are 1 byte to about 50 KiB. An
// implementation is safe for concurrent use, and both methods return soon after
// ctx is done, with its error or one that wraps it. [ledgertest.Run] holds it
// to all of this.
//
// Replicas of one app have the same Keys. Two apps with keys of their own need a
// ledger each, or a prefix each in one: the key of a user is the same in both,
// and what one writes there when the user signs out everywhere, the other cannot
// open. It ends its own sessions of the user then, and says so in the log.
//
// An entry stays for at least its ttl: one that is evicted earlier may open a
// session that was ended. It should go soon after.
//
// [ledgertest.Run]: https://pkg.go.dev/github.com/ecgrid-contrib/ecgridsession/ledgertest#Run
type Ledger interface {
	// Load returns one value per key, in their order and in one round trip, nil
	// where there is none. The caller does not modify what it returns.
	Load(ctx context.Context, keys ...string) (values [][]byte, err error)

	// CompareAndSwap stores next under key for ttl if the present value equals
	// old, where a nil old stands for no value at all; it tells whether it did.
	// It is linearizable: of any number of calls with the same old at most one
	// swaps. ttl is over 0 and next is not nil. After an error the value may or
	// may not be stored. It does not keep next.
	CompareAndSwap(ctx context.Context, key string, old, next []byte, ttl time.Duration) (swapped bool, err error)
}

// MemoryLedger is a [Ledger] in this process's memory: right for an app of one
// process. A restart forgets which bearer sessions have ended, until ECGrid
// refuses their tokens, and signs out those whose credential was in it.
//
// It is safe for concurrent use and never blocks. It owns no goroutine; while it
// has entries, a timer of its own sweeps those that have lapsed.
//
// The cookie costs it nothing: it holds what has been refreshed, what keeps its
// credential here, and, until they would have ended by themselves, the sessions
// that have ended.
type MemoryLedger struct{ table *memory.Table }

// NewMemoryLedger returns an empty ledger. The zero MemoryLedger is not to be
// used.
func NewMemoryLedger() *MemoryLedger { return &MemoryLedger{memory.New()} }

// Load implements [Ledger]. Its only error is that of a done ctx.
func (l *MemoryLedger) Load(ctx context.Context, keys ...string) ([][]byte, error) {
	return l.table.Load(ctx, keys...)
}

// CompareAndSwap implements [Ledger]. Its errors are that of a done ctx, and
// those of a ttl that is not over 0 and a nil next.
func (l *MemoryLedger) CompareAndSwap(ctx context.Context, key string, old, next []byte, ttl time.Duration) (bool, error) {
	return l.table.CompareAndSwap(ctx, key, old, next, ttl)
}
