// Package memory is a ledger in this process's memory.
//
// It promises what every ledger does, a linearizable swap and an entry that
// stays for its time to live, and that no call blocks. It does not know what its
// keys and values mean. It has no goroutine, only a timer while it holds entries.
package memory

import (
	"bytes"
	"context"
	"errors"
	"hash/maphash"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// ledgerShards spreads the keys over so many locks that the sweep of one
	// is not felt: of a million entries it holds some four thousand.
	ledgerShards = 256

	// sweepEvery is how long a lapsed entry may keep its memory.
	sweepEvery = time.Minute
)

// Table is a ledger in this process's memory.
//
// It is safe for concurrent use and never blocks. It owns no goroutine; while it
// has entries, a timer of its own sweeps those that have lapsed.
//
// The cookie costs it nothing: it holds what has been refreshed, what keeps its
// credential here, and, until they would have ended by themselves, the sessions
// that have ended.
type Table struct {
	seed maphash.Seed
	// start: entries lapse by the monotonic clock, from here. A clock of the
	// host that is set forward would else forget sign-outs.
	start  time.Time
	shards [ledgerShards]ledgerShard

	// entries is how many there are in all shards. Load reads it alone where it
	// is 0; it may lag behind a swap under way, which Load may be ordered
	// before.
	entries atomic.Int64
	// sweeping: a sweep is due or running. Whoever turns it from false to true
	// starts the timer, so there is never a second one.
	sweeping atomic.Bool
}

// ledgerShard is one part of the keys under one lock. mu guards all of its
// fields; no two shards are ever locked at once.
type ledgerShard struct {
	mu sync.RWMutex
	// entries is nil until the first.
	entries map[string]ledgerEntry
	most    int // how many entries the map has had room for
}

// ledgerEntry is never changed once it is in a map, only replaced: Load hands
// out value itself, and copies nothing.
type ledgerEntry struct {
	value  []byte
	lapses time.Duration // since the ledger's start
}

// New returns an empty ledger. The zero Table is not to be used.
func New() *Table {
	return &Table{seed: maphash.MakeSeed(), start: time.Now()}
}

// noValues answers for keys that have no entry, which is nearly every request;
// nobody modifies what Load returns.
var noValues [2][]byte

// Load implements [ecgridsession.Ledger]. Its only error is that of a done ctx.
func (l *Table) Load(ctx context.Context, keys ...string) ([][]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var values [][]byte
	// The middleware asks for two keys, and for one.
	if len(keys) <= len(noValues) {
		values = noValues[:len(keys):len(keys)]
	} else {
		values = make([][]byte, len(keys))
	}
	if l.entries.Load() == 0 {
		return values, nil
	}
	now := time.Since(l.start)
	shared := len(keys) <= len(noValues)
	for i, key := range keys {
		// Before the lock, which may have to be waited for: ttl counts from the
		// call.
		shard := l.shard(key)
		shard.mu.RLock()
		entry, ok := shard.entries[key]
		shard.mu.RUnlock()
		// Lapsed counts as gone at once; when its memory goes is the sweep's
		// affair.
		if !ok || entry.lapses <= now {
			continue
		}
		if shared {
			values, shared = make([][]byte, len(keys)), false
		}
		values[i] = entry.value
	}
	return values, nil
}

// CompareAndSwap implements [ecgridsession.Ledger]. Its errors are that of a done ctx, and
// those of a ttl that is not over 0 and a nil next.
func (l *Table) CompareAndSwap(ctx context.Context, key string, old, next []byte, ttl time.Duration) (bool, error) {
	switch {
	case ctx.Err() != nil:
		return false, ctx.Err()
	case ttl <= 0:
		return false, errors.New("ecgridsession: ledger entry without a time to live")
	case next == nil:
		return false, errors.New("ecgridsession: ledger entry without a value")
	}
	now := time.Since(l.start)
	shard := l.shard(key)
	shard.mu.Lock()
	defer shard.mu.Unlock()

	entry, occupied := shard.entries[key]
	present := entry.value
	if occupied && entry.lapses <= now {
		present = nil
	}
	// bytes.Equal takes nil and an empty value for the same.
	if (present == nil) != (old == nil) || !bytes.Equal(present, old) {
		return false, nil
	}
	if shard.entries == nil {
		shard.entries = make(map[string]ledgerEntry)
	}
	kept := make([]byte, len(next)) // never nil, and no longer than it must be
	copy(kept, next)
	// It may be a part of something longer; and a map takes over the key of
	// each assignment, not only that of the first. The middleware cuts a
	// session's key and a user's from one string, which would stay as long as
	// either.
	key = strings.Clone(key)
	lapses := now + ttl
	if lapses < now {
		lapses = math.MaxInt64 // for ever, and not already over
	}
	shard.entries[key] = ledgerEntry{value: kept, lapses: lapses}
	shard.most = max(shard.most, len(shard.entries))
	if !occupied {
		l.entries.Add(1)
		l.sweepLater()
	}
	return true, nil
}

// shard finds a key's place by a hash with a random seed: nobody outside can
// tell which keys share a lock.
func (l *Table) shard(key string) *ledgerShard {
	return &l.shards[maphash.String(l.seed, key)%ledgerShards]
}

// sweepLater sees to it that a sweep comes while there are entries. A timer and
// no goroutine that runs for good: an app never closes a ledger, and one that
// is empty must be free to go (TestALedgerThatIsForgottenCanBeCollected).
func (l *Table) sweepLater() {
	if l.sweeping.CompareAndSwap(false, true) {
		time.AfterFunc(sweepEvery, l.sweep)
	}
}

// sweep removes what has lapsed, one shard at a time, so that no request waits
// for more than a shard.
func (l *Table) sweep() {
	for i := range l.shards {
		l.entries.Add(-int64(l.shards[i].sweep(time.Since(l.start))))
	}
	// In this order: an entry that comes after the store starts a sweep itself,
	// and one from before it is counted below.
	l.sweeping.Store(false)
	if l.entries.Load() > 0 {
		l.sweepLater()
	}
}

// sweep removes what has lapsed from one shard, and says how much that was.
func (s *ledgerShard) sweep(now time.Duration) (removed int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, entry := range s.entries {
		if entry.lapses <= now {
			delete(s.entries, key)
			removed++
		}
	}
	// A map never gives back its room; one that is mostly empty starts anew.
	// Not under 64, where there is little to be had.
	if s.most > 64 && len(s.entries) < s.most/4 {
		smaller := make(map[string]ledgerEntry, len(s.entries))
		for key, entry := range s.entries {
			smaller[key] = entry
		}
		s.entries, s.most = smaller, len(smaller)
	}
	return removed
}
