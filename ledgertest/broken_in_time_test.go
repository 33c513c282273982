package ledgertest_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/ecgrid-contrib/ecgridsession"
)

// brokenInTime is broken in how long it keeps an entry, in what it does at once,
// and by contexts that end.
var brokenInTime = []brokenLedger{
	{"an entry stays for its ttl and then goes", "goes early", func() ecgridsession.Ledger {
		return lasting(func(ttl time.Duration) time.Duration { return ttl / 2 })
	}},
	{"an entry stays for its ttl and then goes", "never goes", func() ecgridsession.Ledger {
		return lasting(func(ttl time.Duration) time.Duration { return ttl + time.Hour })
	}},
	{"an entry stays for its ttl and then goes", "milliseconds are cut off", func() ecgridsession.Ledger {
		return lasting(func(ttl time.Duration) time.Duration { return max(ttl.Truncate(time.Second), 1) })
	}},
	{"a lapsed entry is absent", "a lapsed entry is not read, but bars a new one", func() ecgridsession.Ledger {
		kept := ecgridsession.NewMemoryLedger()
		return swapping(func(l memory, ctx context.Context, key string, old, next []byte, ttl time.Duration) (bool, error) {
			if swapped, err := kept.CompareAndSwap(ctx, key, old, next, time.Hour); err != nil || !swapped {
				return false, err
			}
			if values, _ := l.Load(ctx, key); values[0] == nil {
				old = nil
			}
			return l.CompareAndSwap(ctx, key, old, next, ttl)
		})
	}},
	{"a swap sets the ttl anew", "the ttl of the first is kept, as by KEEPTTL", func() ecgridsession.Ledger {
		var first sync.Map
		return swapping(func(l memory, ctx context.Context, key string, old, next []byte, ttl time.Duration) (bool, error) {
			end, _ := first.LoadOrStore(key, time.Now().Add(ttl))
			return l.CompareAndSwap(ctx, key, old, next, max(time.Until(end.(time.Time)), 1))
		})
	}},
	{"a swap sets the ttl anew", "equal bytes are not written", func() ecgridsession.Ledger {
		return swapping(func(l memory, ctx context.Context, key string, old, next []byte, ttl time.Duration) (bool, error) {
			if old != nil && bytes.Equal(old, next) {
				values, err := l.Load(ctx, key)
				return err == nil && bytes.Equal(values[0], old), err
			}
			return l.CompareAndSwap(ctx, key, old, next, ttl)
		})
	}},
	{"a refused swap leaves the ttl", "EXPIRE whether or not it swapped", func() ecgridsession.Ledger {
		return swapping(func(l memory, ctx context.Context, key string, old, next []byte, ttl time.Duration) (bool, error) {
			swapped, err := l.CompareAndSwap(ctx, key, old, next, ttl)
			if err != nil || swapped {
				return swapped, err
			}
			values, err := l.Load(ctx, key)
			if err != nil || values[0] == nil {
				return false, err
			}
			_, err = l.CompareAndSwap(ctx, key, values[0], values[0], ttl)
			return false, err
		})
	}},
	{"the shortest ttl", "refused, as by PX 0", func() ecgridsession.Ledger {
		return swapping(func(l memory, ctx context.Context, key string, old, next []byte, ttl time.Duration) (bool, error) {
			if ttl < time.Millisecond {
				return false, errors.New("ERR invalid expire time in 'set' command")
			}
			return l.CompareAndSwap(ctx, key, old, next, ttl)
		})
	}},
	{"the shortest ttl", "kept for good, as by a ttl of 0 in many backends", func() ecgridsession.Ledger {
		return lasting(func(ttl time.Duration) time.Duration {
			if ttl = ttl.Truncate(time.Millisecond); ttl == 0 {
				return time.Hour
			}
			return ttl
		})
	}},
	{"a ttl of months", "a date long past, as by memcached over 30 days", func() ecgridsession.Ledger {
		return lasting(func(ttl time.Duration) time.Duration {
			if ttl > 30*24*time.Hour {
				return 1
			}
			return ttl
		})
	}},
	{"a ttl of months", "milliseconds in 32 bits", func() ecgridsession.Ledger {
		return lasting(func(ttl time.Duration) time.Duration {
			return max(time.Duration(int32(ttl.Milliseconds()))*time.Millisecond, 1)
		})
	}},
	{"of many with the same old one swaps", "compared first, then swapped", func() ecgridsession.Ledger {
		return swapping(func(l memory, ctx context.Context, key string, old, next []byte, ttl time.Duration) (bool, error) {
			values, err := l.Load(ctx, key)
			if err != nil || (values[0] == nil) != (old == nil) || !bytes.Equal(values[0], old) {
				return false, err
			}
			time.Sleep(time.Nanosecond)
			for {
				values, _ := l.Load(ctx, key)
				if swapped, err := l.CompareAndSwap(ctx, key, values[0], next, ttl); swapped || err != nil {
					return swapped, err
				}
			}
		})
	}},
	{"of many with the same old one swaps", "nobody is told", func() ecgridsession.Ledger {
		return swapping(func(l memory, ctx context.Context, key string, old, next []byte, ttl time.Duration) (bool, error) {
			_, err := l.CompareAndSwap(ctx, key, old, next, ttl)
			return false, err
		})
	}},
	{"no update is lost", "reported and not written, once in a while", func() ecgridsession.Ledger {
		var mu sync.Mutex
		count := 0
		return swapping(func(l memory, ctx context.Context, key string, old, next []byte, ttl time.Duration) (bool, error) {
			mu.Lock()
			count++
			lost := count%50 == 0
			mu.Unlock()
			if lost {
				return true, nil
			}
			return l.CompareAndSwap(ctx, key, old, next, ttl)
		})
	}},
	{"no late write revives an ended session", "a write is made a little later than it was decided", func() ecgridsession.Ledger {
		return swapping(func(l memory, ctx context.Context, key string, old, next []byte, ttl time.Duration) (bool, error) {
			values, err := l.Load(ctx, key)
			if err != nil || (values[0] == nil) != (old == nil) || !bytes.Equal(values[0], old) {
				return false, err
			}
			if string(next) != "ended" {
				time.Sleep(time.Nanosecond)
			}
			for {
				values, _ := l.Load(ctx, key)
				if swapped, err := l.CompareAndSwap(ctx, key, values[0], next, ttl); swapped || err != nil {
					return swapped, err
				}
			}
		})
	}},
	{"a value is read whole and never goes back", "written in two pieces", func() ecgridsession.Ledger {
		return &torn{memory: ecgridsession.NewMemoryLedger(), whole: make(map[string][]byte)}
	}},
	{"a value is read whole and never goes back", "read from a replica that lags", func() ecgridsession.Ledger {
		before := ecgridsession.NewMemoryLedger()
		l := faulty{MemoryLedger: ecgridsession.NewMemoryLedger()}
		l.load = func(_ memory, ctx context.Context, keys []string) ([][]byte, error) { return before.Load(ctx, keys...) }
		l.swap = func(l memory, ctx context.Context, key string, old, next []byte, ttl time.Duration) (bool, error) {
			swapped, err := l.CompareAndSwap(ctx, key, old, next, ttl)
			if swapped {
				go func() {
					time.Sleep(time.Millisecond)
					late, _ := before.Load(context.Background(), key)
					before.CompareAndSwap(context.Background(), key, late[0], next, ttl)
				}()
			}
			return swapped, err
		}
		return l
	}},
	{"each key by itself", "the value is stored under the key of another call", func() ecgridsession.Ledger {
		var mu sync.Mutex
		var last string
		return swapping(func(l memory, ctx context.Context, key string, old, next []byte, ttl time.Duration) (bool, error) {
			mu.Lock()
			last = key
			mu.Unlock()
			time.Sleep(time.Nanosecond)
			mu.Lock()
			key = last // a field where a variable should be
			mu.Unlock()
			return l.CompareAndSwap(ctx, key, old, next, ttl)
		})
	}},
	{"a cancelled context", "contexts are ignored", func() ecgridsession.Ledger {
		return heedless(context.Background)
	}},
	{"a cancelled context", "the error does not say why", func() ecgridsession.Ledger {
		return swapping(func(l memory, ctx context.Context, key string, old, next []byte, ttl time.Duration) (bool, error) {
			if ctx.Err() != nil {
				return false, errors.New("i/o timeout")
			}
			return l.CompareAndSwap(ctx, key, old, next, ttl)
		})
	}},
	{"a cancelled context", "the backend is waited for all the same", func() ecgridsession.Ledger {
		return swapping(func(l memory, ctx context.Context, key string, old, next []byte, ttl time.Duration) (bool, error) {
			if ctx.Err() != nil {
				time.Sleep(time.Minute)
			}
			return l.CompareAndSwap(ctx, key, old, next, ttl)
		})
	}},
	{"an expired context", "an expired one is not told from a cancelled one", func() ecgridsession.Ledger {
		done, cancel := context.WithCancel(context.Background())
		cancel()
		return faulty{
			MemoryLedger: ecgridsession.NewMemoryLedger(),
			load: func(l memory, ctx context.Context, keys []string) ([][]byte, error) {
				if ctx.Err() != nil {
					ctx = done
				}
				return l.Load(ctx, keys...)
			},
		}
	}},
	{"an expired context", "the connection is lost for the next call", func() ecgridsession.Ledger {
		var mu sync.Mutex
		lost := false
		return faulty{
			MemoryLedger: ecgridsession.NewMemoryLedger(),
			load: func(l memory, ctx context.Context, keys []string) ([][]byte, error) {
				mu.Lock()
				defer mu.Unlock()
				if lost && ctx.Err() == nil {
					return nil, errors.New("use of closed network connection")
				}
				lost = lost || ctx.Err() != nil
				return l.Load(ctx, keys...)
			},
		}
	}},
	{"a context cancelled midway", "what was cancelled is written in halves", func() ecgridsession.Ledger {
		return swapping(func(l memory, ctx context.Context, key string, old, next []byte, ttl time.Duration) (bool, error) {
			time.Sleep(500 * time.Microsecond)
			if ctx.Err() != nil {
				_, _ = l.CompareAndSwap(context.Background(), key, old, next[:len(next)/2], ttl)
			}
			return l.CompareAndSwap(ctx, key, old, next, ttl)
		})
	}},
	{"a context cancelled midway", "what was cancelled is called refused", func() ecgridsession.Ledger {
		return swapping(func(l memory, ctx context.Context, key string, old, next []byte, ttl time.Duration) (bool, error) {
			time.Sleep(500 * time.Microsecond)
			swapped, _ := l.CompareAndSwap(ctx, key, old, next, ttl)
			return swapped, nil
		})
	}},
	{"an entry outlives the context it came with", "the entry goes with its context", func() ecgridsession.Ledger {
		return swapping(func(l memory, ctx context.Context, key string, old, next []byte, ttl time.Duration) (bool, error) {
			swapped, err := l.CompareAndSwap(ctx, key, old, next, ttl)
			if swapped {
				context.AfterFunc(ctx, func() { l.CompareAndSwap(context.Background(), key, next, next, 1) })
			}
			return swapped, err
		})
	}},
}
