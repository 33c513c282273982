package site

import (
	"sync/atomic"
	"time"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/internal/inside"
)

// AheadBy sets the clock of the replica apart from the clock of ECGrid and the
// other replicas.
func (s *Site) AheadBy(d time.Duration) *Site {
	inside.Of(s.Middleware).Limits.Now = func() time.Time { return time.Now().Add(d) }
	return s
}

// AdvancingClock is the time of day with what a test has added to it.
type AdvancingClock struct{ ahead atomic.Int64 }

func (c *AdvancingClock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *AdvancingClock) Advance(d time.Duration) { c.ahead.Add(int64(d)) }

// ClockOf gives the site a clock that can be advanced. The fake ECGrid keeps
// the time of day.
func (s *Site) ClockOf() *AdvancingClock {
	clock := &AdvancingClock{}
	SetNow(s.Middleware, clock.Now)
	return clock
}

// SetNow gives m another clock. It is not for use beside requests.
func SetNow(m *ecgridsession.Middleware, now func() time.Time) { inside.Of(m).Limits.Now = now }
