package ledgertest_test

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ecgrid-contrib/ecgridsession"
)

// broken are ledgers, each broken in one point, and the clause that has to catch
// it. The form of each is a mistake that a real backend invites.
var broken = slices.Concat(brokenInMeaning, brokenInTime)

// brokenLedger is one of them.
type brokenLedger struct {
	clause, how string
	open        func() ecgridsession.Ledger
}

// brokenInMeaning is broken in what it compares and stores.
var brokenInMeaning = []brokenLedger{
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
}
