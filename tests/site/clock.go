package site

import (
	"reflect"
	"time"

	"github.com/ecgrid-contrib/ecgridsession/internal/session"
)

// AheadBy sets the clock of the replica apart from the clocks of ECGrid and the
// other replicas. It is not for use beside requests. The clocks of machines
// differ, but a synctest bubble has one clock and the library has no switch for
// it, so this reaches into the Middleware.
func (s *Site) AheadBy(d time.Duration) *Site {
	limits := reflect.ValueOf(s.Middleware).Elem().FieldByName("limits")
	(*session.Limits)(limits.UnsafePointer()).Now = func() time.Time { return time.Now().Add(d) }
	return s
}
