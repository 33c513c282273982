package session

import (
	"time"

	"github.com/ecgrid-contrib/ecgridsession/internal/record"
)

// Limits are a session's times, and the clock that they are judged by. One is
// shared by all who judge.
type Limits struct {
	Idle, Lifetime time.Duration
	Now            func() time.Time
}

// NowMillis is the time as records have it.
func (l *Limits) NowMillis() int64 { return l.Now().UnixMilli() }

// PastEnd tells whether the absolute limit of a session has passed.
func (l *Limits) PastEnd(rec *record.Record, now int64) bool {
	return now-rec.StartedAt >= l.Lifetime.Milliseconds()
}

// ClockSlack is how far the clocks of replicas may be apart: entries outlive
// what they speak of by so much.
const ClockSlack = 5 * time.Minute

// UntilEnd is how long the ledger must know of a session: until no replica
// opens its cookie any more, by whatever clock.
func (l *Limits) UntilEnd(rec *record.Record) time.Duration {
	left := record.Time(rec.StartedAt).Add(l.Lifetime).Sub(l.Now())
	// A session that has just passed its end is not to be ended twice, and its
	// cookie comes again only while it is not idle.
	return max(left, l.Idle) + ClockSlack
}

// MaxSwaps bounds how often a transition starts over because the entry changed
// in between. Every failed swap is another's success, so a few are plenty. It
// bounds what a ledger that breaks its contract can cost.
const MaxSwaps = 16
