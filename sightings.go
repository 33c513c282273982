package ecgridsession

import (
	"hash/maphash"
	"sync"
	"time"
)

// maxSightings is when the table is looked through for what nobody asks about
// any more.
const maxSightings = 1024

// sightings remembers since when this process sees the same bytes in a ledger
// entry, so that leases and backoff need no other clock than its own monotonic
// one. Only entries that somebody waits for are in it. The zero value is ready.
type sightings struct {
	mu    sync.Mutex
	since map[string]sighting
}

type sighting struct {
	bytes uint64 // a hash: sealed values never repeat
	first time.Time
	last  time.Time
}

var sightingSeed = maphash.MakeSeed()

// stood returns how long the entry under key has been seen with these bytes; 0
// where they are new.
func (s *sightings) stood(key string, stored []byte) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if stored == nil {
		delete(s.since, key)
		return 0
	}
	now, hash := time.Now(), maphash.Bytes(sightingSeed, stored)
	seen, known := s.since[key]
	if !known || seen.bytes != hash {
		seen = sighting{bytes: hash, first: now}
	}
	seen.last = now
	if s.since == nil {
		s.since = make(map[string]sighting)
	}
	if !known && len(s.since) >= maxSightings {
		s.forget(now)
	}
	s.since[key] = seen
	return now.Sub(seen.first)
}

// forget drops what has not been looked at for longer than any backoff.
func (s *sightings) forget(now time.Time) {
	for key, seen := range s.since {
		if now.Sub(seen.last) > 2*longestBackoff {
			delete(s.since, key)
		}
	}
}
