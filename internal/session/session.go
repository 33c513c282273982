// Package session is a session apart from HTTP: what is known of it, what the
// ledger holds of it, and when it has ended.
//
// Nothing here is started and nobody but the ledger is called. How a session's
// entry changes is in package lifecycle, how a request comes by its session in
// package request.
package session

import (
	"errors"
	"fmt"
	"time"

	"github.com/ecgrid-contrib/ecgridsession/internal/record"
)

// Snapshot is a session with one generation of its credential. It is immutable
// once a request can see it. A change makes a new one: who has loaded a pointer
// reads one session throughout, and never the token of one generation with the
// expiry of another.
type Snapshot struct {
	Record record.Record
	Keys   Keys
}

// With returns the session with the credential of its ledger entry, where that
// is what counts: the credential is kept there, or is a newer one. It returns
// snap itself where nothing changes, which is nearly always, and costs no
// allocation then.
func (snap *Snapshot) With(found *Entry) *Snapshot {
	if found.State != Live && found.State != Refreshing {
		return snap
	}
	if !snap.Record.InLedger && found.Generation <= snap.Record.Generation {
		return snap
	}
	return snap.WithCredential(found.Generation, found.Credential)
}

// WithCredential returns the session with another generation of its credential.
func (snap *Snapshot) WithCredential(generation uint64, c record.Credential) *Snapshot {
	next := *snap
	next.Record.Generation, next.Record.Credential = generation, c
	return &next
}

// HasEnded tells what the ledger's answer means for a session. It is for
// requests and for streams, so that what ends the one ends the other.
func (snap *Snapshot) HasEnded(found *Entry, cutOff uint64, err error) bool {
	switch {
	case errors.Is(err, ErrUnreadable):
		// Whoever writes garbage there must not be able to keep a session open.
		return true
	case err != nil:
		return false // nothing is known
	default:
		return found.State == Ended || cutOff > snap.Record.CutOff ||
			// What the ledger has lost signs out, never in.
			found.State == None && snap.Record.InLedger
	}
}

// The errors of a session, as callers of the library see them.
var (
	ErrNone        = errors.New("ecgridsession: no session")
	ErrEnded       = fmt.Errorf("ecgridsession: the session has ended: %w", ErrNone)
	ErrUnavailable = errors.New("ecgridsession: ledger unavailable")
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
