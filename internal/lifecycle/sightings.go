package lifecycle

import (
	"hash/maphash"
	"sync"
	"time"
)

// leastSightings is how many there may be before the table is looked through
// for what nobody asks about any more.
const leastSightings = 1024

// sightings remembers since when this process sees the same bytes in a ledger
// entry, so that leases and backoff need no other clock than its own monotonic
// one. Only entries that somebody waits for are in it. The zero value is ready.
//
// It is how a replica decides that another has died, without a clock that both
// would have to agree on: a claim that has stood unchanged for a lease, as seen
// from here, has a holder that is gone. Who comes late measures from its own
// first look and so waits longer than necessary, never too short.
type sightings struct {
	mu   sync.Mutex
	seen map[string]sighting
	full int // how many there are when it is looked through again
}

type sighting struct {
	// bytes is a hash: sealed values never repeat, so other bytes are another
	// state, and a collision would cost one early takeover.
	bytes uint64
	// first and last are when these bytes were seen first, and when somebody
	// last looked.
	first time.Time
	last  time.Time
	pause time.Duration // that ECGrid asked for
}

// sightingSeed is of the process: its hashes are compared with each other only.
var sightingSeed = maphash.MakeSeed()

// stood returns how long the entry under key has been seen with these bytes; 0
// if they are new. The first call for an entry starts its clock. pause is the
// entry's: the clock must not be forgotten before that has passed.
func (s *sightings) stood(key string, stored []byte, pause time.Duration) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if stored == nil {
		delete(s.seen, key)
		return 0
	}
	now, hash := time.Now(), maphash.Bytes(sightingSeed, stored)
	sight, known := s.seen[key]
	if !known || sight.bytes != hash {
		sight = sighting{bytes: hash, first: now}
	}
	sight.last, sight.pause = now, pause
	s.put(key, sight)
	return now.Sub(sight.first)
}

// mark notes that a session's token is to be left alone for a while. A mark has
// no bytes. Leases and marks have a sightings each.
func (s *sightings) mark(key string, pause time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.put(key, sighting{first: now, last: now, pause: pause})
}

// marked reports whether the session has a mark that is not over.
func (s *sightings) marked(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	sight, found := s.seen[key]
	return found && time.Since(sight.first) < sight.pause
}

// put is called with mu held, as forget is.
func (s *sightings) put(key string, sight sighting) {
	if s.seen == nil {
		s.seen = make(map[string]sighting)
	}
	if len(s.seen) >= max(s.full, leastSightings) {
		s.forget(sight.last)
		// Twice what is in use, so that looking through costs each of them
		// no more than a moment, however many they are.
		s.full = 2 * len(s.seen)
	}
	s.seen[key] = sight
}

// forget drops what has not been looked at for longer than its backoff.
func (s *sightings) forget(now time.Time) {
	for key, sight := range s.seen {
		if now.Sub(sight.last) > max(2*longestBackoff, sight.pause) {
			delete(s.seen, key)
		}
	}
}
