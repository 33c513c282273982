package ecgrid

import (
	"net/http"
	"time"
)

const (
	// clockTolerance is how long ago a new token may seem to have expired before that is taken for a mistake. It is for
	// answers that do not say what time it is at ECGrid.
	clockTolerance = 10 * time.Minute
	// maxTokenYears is the longest life that is believed; it also keeps times within what a record and a cookie can hold.
	maxTokenYears = 10
	// sameTime is how far a Date may be off without a difference between the clocks. It has whole seconds, and the answer
	// was on its way.
	sameTime = 5 * time.Second
)

// clock is what time it was when an answer came, here and at ECGrid. ECGrid's clock decides how long a token lives, ours
// tells when that time is over.
type clock struct {
	here  time.Time
	there time.Time // by the Date of the answer (RFC 9110, section 6.6.1); without one the same as here
}

func clockOf(header http.Header, now time.Time) clock {
	there, err := http.ParseTime(header.Get("Date"))
	if apart := there.Sub(now); err != nil || max(apart, -apart) < sameTime {
		there = now
	}
	return clock{here: now, there: there}
}

// expiry gives the expiry of a new token by our clock, and whether it is sane. It is measured from ECGrid's time, and from
// ours only if that makes no sense: a proxy may have put a Date of its own there.
func (c clock) expiry(t time.Time) (time.Time, bool) {
	for _, now := range []time.Time{c.there, c.here} {
		if t.After(now) && !t.After(now.AddDate(maxTokenYears, 0, 0)) {
			return c.here.Add(t.Sub(now)).UTC(), true
		}
	}
	return t, !t.Before(c.here.Add(-clockTolerance)) && !t.After(c.here.AddDate(maxTokenYears, 0, 0))
}
