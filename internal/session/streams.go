package session

import (
	"sync"
	"sync/atomic"
)

// stream is one response that ends with its session. Its address is its
// identity, and end may be called more than once.
type stream struct{ end func() }

// streams are those of this process, by the ledger's keys of their sessions and
// their users. The zero value is ready. mu guards by. It is held while a stream
// is cancelled, which runs nothing of the app's: cancelling starts the app's
// functions in goroutines of their own.
type streams struct {
	mu sync.Mutex
	by map[string]map[*stream]struct{}
	// ends counts the calls of end, for requests that are under way.
	ends atomic.Uint64
}

// add files a stream under each key, so that sign-out ends it by the session's
// and sign-out everywhere by the user's.
func (s *streams) add(added *stream, keys []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by == nil {
		s.by = make(map[string]map[*stream]struct{})
	}
	for _, key := range keys {
		if s.by[key] == nil {
			s.by[key] = make(map[*stream]struct{})
		}
		s.by[key][added] = struct{}{}
	}
}

// remove leaves no empty set behind: keys are as many as sessions.
func (s *streams) remove(gone *stream, keys []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range keys {
		delete(s.by[key], gone)
		if len(s.by[key]) == 0 {
			delete(s.by, key)
		}
	}
}

// end ends the streams under a key: those of a session, or of a user.
func (s *streams) end(key string) {
	s.ends.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	// They stay in the map until their watch has seen it and removes them.
	for open := range s.by[key] {
		open.end()
	}
}
