package ecgridsession

import (
	"context"
	"time"
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
