package ledgertest_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
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

// broken are ledgers, each broken in one point, and the clause that has to catch
// it. The form of each is a mistake that a real backend invites.
var broken = []struct {
	clause, how string
	open        func() ecgridsession.Ledger
}{
	{"an absent entry is nil", "an absent value is an empty one", func() ecgridsession.Ledger {
		return loading(func(values [][]byte) [][]byte {
			for i := range values {
				values[i] = append([]byte{}, values[i]...)
			}
			return values
		})
	}},
	{"an absent entry is nil", "one key for all", func() ecgridsession.Ledger {
		return keyed(func(string) string { return "the" })
	}},
	{"one value for each key, in their order", "sorted, as by SELECT … IN", func() ecgridsession.Ledger {
		return loading(func(values [][]byte) [][]byte {
			slices.SortFunc(values, bytes.Compare)
			return values
		})
	}},
	{"one value for each key, in their order", "the absent are left out", func() ecgridsession.Ledger {
		return loading(func(values [][]byte) [][]byte {
			return slices.DeleteFunc(values, func(v []byte) bool { return v == nil })
		})
	}},
	{"one value for each key, in their order", "only two keys at once", func() ecgridsession.Ledger {
		return loading(func(values [][]byte) [][]byte { return values[:min(len(values), 2)] })
	}},
	{"keys are told apart by every byte", "letters of either case are the same, as by a SQL collation", func() ecgridsession.Ledger {
		return keyed(strings.ToLower)
	}},
	{"keys are told apart by every byte", "keys are cut", func() ecgridsession.Ledger {
		return keyed(func(key string) string { return key[:min(len(key), 200)] })
	}},
	{"keys are told apart by every byte", "keys become file names", func() ecgridsession.Ledger {
		return keyed(func(key string) string { return strings.ReplaceAll(key, "-", "_") })
	}},
	{"nil stands for no entry", "a nil old overwrites, as by SET without NX", func() ecgridsession.Ledger {
		return comparing(func(_, old []byte) bool { return old == nil })
	}},
	{"nil stands for no entry", "whatever old is, an absent entry is created, as by an upsert", func() ecgridsession.Ledger {
		return comparing(func(present, _ []byte) bool { return present == nil })
	}},
	{"only the present value is replaced", "nothing is compared", func() ecgridsession.Ledger {
		return comparing(func(present, old []byte) bool { return present != nil && old != nil })
	}},
	{"only the present value is replaced", "the lengths are compared", func() ecgridsession.Ledger {
		return comparing(func(present, old []byte) bool { return present != nil && len(present) == len(old) })
	}},
	{"only the present value is replaced", "compared up to the shorter one's end", func() ecgridsession.Ledger {
		return comparing(func(present, old []byte) bool { return len(old) > 0 && bytes.HasPrefix(present, old) })
	}},
	{"only the present value is replaced", "compared without regard to case", func() ecgridsession.Ledger {
		return comparing(func(present, old []byte) bool { return len(old) > 0 && bytes.EqualFold(present, old) })
	}},
	{"only the present value is replaced", "compared without spaces at the end, as by CHAR", func() ecgridsession.Ledger {
		return comparing(func(present, old []byte) bool {
			return len(present) > 0 && bytes.Equal(present, bytes.TrimRight(old, " "))
		})
	}},
	{"only the present value is replaced", "compared up to NUL, as in C", func() ecgridsession.Ledger {
		return comparing(func(present, old []byte) bool {
			cut, _, _ := bytes.Cut(old, []byte{0})
			return len(present) > 0 && bytes.Equal(present, cut)
		})
	}},
	{"an empty value is not an absent one", "an empty old is none", func() ecgridsession.Ledger {
		return swapping(func(l memory, ctx context.Context, key string, old, next []byte, ttl time.Duration) (bool, error) {
			if len(old) == 0 {
				old = nil
			}
			return l.CompareAndSwap(ctx, key, old, next, ttl)
		})
	}},
	{"an empty value is not an absent one", "an empty value is none", func() ecgridsession.Ledger {
		return loading(func(values [][]byte) [][]byte {
			for i := range values {
				values[i] = append([]byte(nil), values[i]...)
			}
			return values
		})
	}},
	{"a value replaces its equal", "no row is changed, so none is reported", func() ecgridsession.Ledger {
		return swapping(func(l memory, ctx context.Context, key string, old, next []byte, ttl time.Duration) (bool, error) {
			if bytes.Equal(old, next) && old != nil {
				return false, ctx.Err()
			}
			return l.CompareAndSwap(ctx, key, old, next, ttl)
		})
	}},
	{"an ended session stays ended", "whatever was present once counts as present", func() ecgridsession.Ledger {
		var was sync.Map
		return swapping(func(l memory, ctx context.Context, key string, old, next []byte, ttl time.Duration) (bool, error) {
			if _, once := was.LoadOrStore(key+string(old), true); once {
				values, err := l.Load(ctx, key)
				if err != nil {
					return false, err
				}
				old = values[0]
			}
			return l.CompareAndSwap(ctx, key, old, next, ttl)
		})
	}},
	{"the caller's bytes remain its own", "next is kept", func() ecgridsession.Ledger {
		return &aliasing{values: make(map[string][]byte)}
	}},
	{"the caller's bytes remain its own", "loaded values are written over", func() ecgridsession.Ledger {
		return &aliasing{values: make(map[string][]byte), overwrite: true}
	}},
	{"the caller's bytes remain its own", "next is changed", func() ecgridsession.Ledger {
		return storing(func(value []byte) []byte {
			if len(value) > 0 {
				value[0] ^= 1
			}
			return value
		})
	}},
	{"values of every length and byte", "cut at 32 KiB", func() ecgridsession.Ledger {
		return storing(func(value []byte) []byte { return value[:min(len(value), 32<<10)] })
	}},
	{"values of every length and byte", "text: bytes that are no UTF-8 are replaced", func() ecgridsession.Ledger {
		return storing(func(value []byte) []byte { return bytes.ToValidUTF8(value, []byte("\uFFFD")) })
	}},
	{"values of every length and byte", "spaces are trimmed", func() ecgridsession.Ledger {
		return storing(func(value []byte) []byte { return append([]byte{}, bytes.TrimSpace(value)...) })
	}},
	{"values of every length and byte", "numbers are stored as such", func() ecgridsession.Ledger {
		return storing(func(value []byte) []byte {
			if trimmed := bytes.TrimLeft(value, "0"); len(trimmed) > 0 && len(trimmed) < len(value) {
				return trimmed
			}
			return value
		})
	}},
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
			time.Sleep(1)
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
				time.Sleep(1)
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
			time.Sleep(1)
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
