package ecgridsession

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

// MemoryLedger is a [Ledger] in this process's memory: right for an app of one
// process. A restart forgets which bearer sessions have ended, until ECGrid
// refuses their tokens, and signs out those whose credential was in it.
//
// It is safe for concurrent use and never blocks. It owns no goroutine; while it
// has entries, a timer of its own sweeps those that have lapsed.
type MemoryLedger struct {
	seed   maphash.Seed
	start  time.Time // entries lapse by the monotonic clock, from here
	shards [ledgerShards]ledgerShard

	entries  atomic.Int64
	sweeping atomic.Bool // a sweep is due or running
}

type ledgerShard struct {
	mu      sync.RWMutex
	entries map[string]ledgerEntry
	most    int // how many entries the map has had room for
}

type ledgerEntry struct {
	value  []byte
	lapses time.Duration // since the ledger's start
}

// NewMemoryLedger returns an empty ledger.
func NewMemoryLedger() *MemoryLedger {
	return &MemoryLedger{seed: maphash.MakeSeed(), start: time.Now()}
}

// noValues answers for keys that have no entry, which is nearly every request;
// nobody modifies what Load returns.
var noValues [2][]byte

// Load implements [Ledger]. Its only error is that of a done ctx.
func (l *MemoryLedger) Load(ctx context.Context, keys ...string) ([][]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var values [][]byte
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
		shard := l.shard(key)
		shard.mu.RLock()
		entry, ok := shard.entries[key]
		shard.mu.RUnlock()
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

// CompareAndSwap implements [Ledger]. Its errors are that of a done ctx, and
// those of a ttl that is not over 0 and a nil next.
func (l *MemoryLedger) CompareAndSwap(ctx context.Context, key string, old, next []byte, ttl time.Duration) (bool, error) {
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
	if (present == nil) != (old == nil) || !bytes.Equal(present, old) {
		return false, nil
	}
	if shard.entries == nil {
		shard.entries = make(map[string]ledgerEntry)
	}
	kept := make([]byte, len(next)) // never nil, and no longer than it must be
	copy(kept, next)
	// It may be a part of something longer; and a map takes over the key of each
	// assignment, not only that of the first.
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

func (l *MemoryLedger) shard(key string) *ledgerShard {
	return &l.shards[maphash.String(l.seed, key)%ledgerShards]
}

// sweepLater sees to it that a sweep comes while there are entries.
func (l *MemoryLedger) sweepLater() {
	if l.sweeping.CompareAndSwap(false, true) {
		time.AfterFunc(sweepEvery, l.sweep)
	}
}

// sweep removes what has lapsed, one shard at a time, so that no request waits
// for more than a shard.
func (l *MemoryLedger) sweep() {
	for i := range l.shards {
		l.entries.Add(-int64(l.shards[i].sweep(time.Since(l.start))))
	}
	l.sweeping.Store(false)
	if l.entries.Load() > 0 {
		l.sweepLater()
	}
}

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
	if s.most > 64 && len(s.entries) < s.most/4 {
		smaller := make(map[string]ledgerEntry, len(s.entries))
		for key, entry := range s.entries {
			smaller[key] = entry
		}
		s.entries, s.most = smaller, len(smaller)
	}
	return removed
}
