package site

import (
	"time"

	"github.com/ecgrid-contrib/ecgridsession/internal/inside"
)

// AheadBy sets the clock of the replica apart from the clock of ECGrid and the
// other replicas.
func (s *Site) AheadBy(d time.Duration) *Site {
	inside.Of(s.Middleware).Limits.Now = func() time.Time { return time.Now().Add(d) }
	return s
}
