package session

import (
	"context"
	"errors"
	"time"
)

// errPanicked hides the panic's value, which is the app's and may hold anything.
var errPanicked = errors.New("the ledger panicked")

// Backend is what the app provides: an ecgridsession.Ledger, whose comments are
// the contract.
type Backend interface {
	Load(ctx context.Context, keys ...string) (values [][]byte, err error)
	CompareAndSwap(ctx context.Context, key string, old, next []byte, ttl time.Duration) (swapped bool, err error)
}

// contained is the app's ledger, whose panic fails the call and no more. Many
// calls run in goroutines of ours, where a panic would end the process; in a
// request it would keep a sign-out or a revocation from being finished.
type contained struct{ backend Backend }

// Load implements [Backend].
func (c contained) Load(ctx context.Context, keys ...string) (values [][]byte, err error) {
	defer failOnPanic(&err)
	return c.backend.Load(ctx, keys...)
}

// CompareAndSwap implements [Backend].
func (c contained) CompareAndSwap(ctx context.Context, key string, old, next []byte, ttl time.Duration) (swapped bool, err error) {
	defer failOnPanic(&err)
	return c.backend.CompareAndSwap(ctx, key, old, next, ttl)
}

func failOnPanic(err *error) {
	if recover() != nil {
		*err = errPanicked
	}
}
