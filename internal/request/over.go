package request

import "github.com/ecgrid-contrib/ecgridsession/internal/cookie"

// Over is why the session of a request's cookie is over.
type Over string

// The reasons, as they are written into the address of the sign-in page.
const (
	NotOver  Over = ""      // it is open, or there was none
	OverIdle Over = "idle"  // the idle limit has passed
	OverLong Over = "limit" // the absolute limit has passed
	OverHere Over = "ended" // it was ended, here or elsewhere
)

// Over reports why the session is over that the request's cookie names.
func (s *Session) Over() Over {
	switch {
	case s.newest.Load() != nil, s.reading != cookie.Current && s.reading != cookie.Outdated:
		return NotOver
	case s.standing == standingIdle:
		return OverIdle
	case s.standing == standingOver:
		return OverLong
	case s.standing == standingEnded, s.ended.Load():
		return OverHere
	default:
		return NotOver
	}
}
