package ecgridsession

import "time"

// SetNow gives m a clock of its own, as a replica on another machine has one.
// It is called before the first request.
func SetNow(m *Middleware, now func() time.Time) { m.now = now }
