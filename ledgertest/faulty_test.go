package ledgertest_test

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/ecgrid-contrib/ecgridsession"
)

// faulty is a ledger that is right but for what its fields change.
type faulty struct {
	*ecgridsession.MemoryLedger
	load func(l *ecgridsession.MemoryLedger, ctx context.Context, keys []string) ([][]byte, error)
	swap func(l *ecgridsession.MemoryLedger, ctx context.Context, key string, old, next []byte, ttl time.Duration) (bool, error)
}

func (f faulty) Load(ctx context.Context, keys ...string) ([][]byte, error) {
	if f.load == nil {
		return f.MemoryLedger.Load(ctx, keys...)
	}
	return f.load(f.MemoryLedger, ctx, keys)
}

func (f faulty) CompareAndSwap(ctx context.Context, key string, old, next []byte, ttl time.Duration) (bool, error) {
	if f.swap == nil {
		return f.MemoryLedger.CompareAndSwap(ctx, key, old, next, ttl)
	}
	return f.swap(f.MemoryLedger, ctx, key, old, next, ttl)
}

type memory = *ecgridsession.MemoryLedger

// keyed is a ledger that files entries under another key than it was given.
func keyed(name func(string) string) ecgridsession.Ledger {
	return faulty{
		MemoryLedger: ecgridsession.NewMemoryLedger(),
		load: func(l memory, ctx context.Context, keys []string) ([][]byte, error) {
			named := make([]string, len(keys))
			for i, key := range keys {
				named[i] = name(key)
			}
			return l.Load(ctx, named...)
		},
		swap: func(l memory, ctx context.Context, key string, old, next []byte, ttl time.Duration) (bool, error) {
			return l.CompareAndSwap(ctx, name(key), old, next, ttl)
		},
	}
}

// loading changes what Load has found.
func loading(change func(values [][]byte) [][]byte) ecgridsession.Ledger {
	return faulty{
		MemoryLedger: ecgridsession.NewMemoryLedger(),
		load: func(l memory, ctx context.Context, keys []string) ([][]byte, error) {
			values, err := l.Load(ctx, keys...)
			return change(slices.Clone(values)), err
		},
	}
}

// swapping replaces CompareAndSwap.
func swapping(
	swap func(l memory, ctx context.Context, key string, old, next []byte, ttl time.Duration) (bool, error),
) ecgridsession.Ledger {
	return faulty{MemoryLedger: ecgridsession.NewMemoryLedger(), swap: swap}
}

// storing changes what is stored.
func storing(change func(value []byte) []byte) ecgridsession.Ledger {
	return swapping(func(l memory, ctx context.Context, key string, old, next []byte, ttl time.Duration) (bool, error) {
		return l.CompareAndSwap(ctx, key, old, change(next), ttl)
	})
}

// lasting changes for how long it is stored.
func lasting(change func(ttl time.Duration) time.Duration) ecgridsession.Ledger {
	return swapping(func(l memory, ctx context.Context, key string, old, next []byte, ttl time.Duration) (bool, error) {
		return l.CompareAndSwap(ctx, key, old, next, change(ttl))
	})
}

// comparing takes for the present value whatever equals says is like it.
func comparing(equals func(present, old []byte) bool) ecgridsession.Ledger {
	return swapping(func(l memory, ctx context.Context, key string, old, next []byte, ttl time.Duration) (bool, error) {
		values, err := l.Load(ctx, key)
		if err == nil && equals(values[0], old) {
			old = values[0]
		}
		return l.CompareAndSwap(ctx, key, old, next, ttl)
	})
}

// heedless ignores its contexts.
func heedless(instead func() context.Context) ecgridsession.Ledger {
	return faulty{
		MemoryLedger: ecgridsession.NewMemoryLedger(),
		load: func(l memory, _ context.Context, keys []string) ([][]byte, error) {
			return l.Load(instead(), keys...)
		},
		swap: func(l memory, _ context.Context, key string, old, next []byte, ttl time.Duration) (bool, error) {
			return l.CompareAndSwap(instead(), key, old, next, ttl)
		},
	}
}

// aliasing is a ledger of its own: it keeps the caller's bytes.
type aliasing struct {
	mu     sync.Mutex
	values map[string][]byte
	// overwrite: what Load has returned is written over by the next swap.
	overwrite bool
}

func (l *aliasing) Load(ctx context.Context, keys ...string) ([][]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	values := make([][]byte, len(keys))
	for i, key := range keys {
		values[i] = l.values[key]
	}
	return values, ctx.Err()
}

func (l *aliasing) CompareAndSwap(ctx context.Context, key string, old, next []byte, _ time.Duration) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	present := l.values[key]
	if ctx.Err() != nil || (present == nil) != (old == nil) || !bytes.Equal(present, old) {
		return false, ctx.Err()
	}
	if l.overwrite {
		next = append(present[:0], next...)
	}
	l.values[key] = next
	return true, nil
}

// torn is a ledger that replaces values piece by piece.
type torn struct {
	memory
	mu    sync.Mutex
	whole map[string][]byte
}

func (l *torn) Load(ctx context.Context, keys ...string) ([][]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	values := make([][]byte, len(keys))
	for i, key := range keys {
		l.mu.Lock()
		if value, ok := l.whole[key]; ok {
			values[i] = slices.Clone(value)
		}
		l.mu.Unlock()
	}
	return values, nil
}

func (l *torn) CompareAndSwap(ctx context.Context, key string, old, next []byte, ttl time.Duration) (bool, error) {
	swapped, err := l.memory.CompareAndSwap(ctx, key, old, next, ttl)
	if !swapped || err != nil {
		return swapped, err
	}
	l.mu.Lock()
	l.whole[key] = slices.Concat(next[:len(next)/2], old[min(len(next)/2, len(old)):])
	l.mu.Unlock()
	time.Sleep(time.Millisecond)
	l.mu.Lock()
	l.whole[key] = slices.Clone(next)
	l.mu.Unlock()
	return true, nil
}
