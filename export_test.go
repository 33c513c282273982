package ecgridsession

import "time"

// SetNow gives m a clock of its own, as a replica on another machine has one.
// It is called before the first request.
func SetNow(m *Middleware, now func() time.Time) { m.now = now }

// OpenStreams is how many keys of the ledger m watches streams under.
func OpenStreams(m *Middleware) int {
	m.streams.mu.Lock()
	defer m.streams.mu.Unlock()
	return len(m.streams.by)
}
