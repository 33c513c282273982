package ecgridsession

import "time"

// SetNow gives m another clock. It is to be called before the first request.
func SetNow(m *Middleware, now func() time.Time) { m.now = now }
