package request

import (
	"context"
	"net/http"
	"time"

	"github.com/ecgrid-contrib/ecgridsession/internal/cookie"
	"github.com/ecgrid-contrib/ecgridsession/internal/lifecycle"
	"github.com/ecgrid-contrib/ecgridsession/internal/record"
)

// The way of a request through Wrap: open finds out where its session stands
// and changes nothing; freshen (due by the token's expiry) and settleCookie act
// on it. What open asks, it asks from the cheapest to the dearest, and stops at
// the first no: is there a cookie, do we open it, is it within its limits, and
// only then the ledger.

// maxStartAhead is how far in the future a session may have started: replicas'
// clocks differ a little. One that begins later would stay open for longer than
// Lifetime.
const maxStartAhead = time.Minute

// Begin opens the session of r, sets its cookie anew where that is due,
// and returns r with the session in its context. The order: what has outlived
// its limit is ended before the cookie is settled, which then deletes it; and a
// token is refreshed before, so that the cookie that is set has the new one.
func (o *Opener) Begin(w http.ResponseWriter, r *http.Request) *http.Request {
	s := o.open(r)
	switch {
	case s.standing == standingOver:
		o.endOutlived(s)
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		// Other methods refresh when the token is asked for, so that signing
		// out never waits for it.
		s.Freshen(r.Context(), s.now)
	}
	o.settleCookie(w, r, s)
	// Into the allocation that the session is in already.
	*s.request = *r.WithContext(s)
	return s.request
}

// open finds out where the request's session stands: cookie, then limits, then
// ledger. It changes nothing and sets no cookie.
func (o *Opener) open(r *http.Request) *Session {
	rec, how := o.Carrier.Read(r)
	if how != cookie.Current && how != cookie.Outdated {
		return o.unread(r.Context(), how)
	}
	s := newSession(r.Context(), o, rec, how)
	s.now = o.Limits.Now().UnixMilli()
	s.carried.Keys = o.Ledger.Keys(rec.ID, rec.UserID)
	s.standing = o.withinLimits(&rec, s.now)
	switch s.standing {
	case standingRejected:
		o.Events.CookieRejected(s)
	case standingOpen:
		o.askLedger(s)
	}
	return s
}

// unread is a request without a cookie of ours, or with one that says nothing.
// A store that fails is not a cookie that is bad: the one is an outage, which
// deletes nothing, the other is nobody's session.
func (o *Opener) unread(ctx context.Context, how cookie.Reading) *Session {
	s := newAnonymous(ctx, o, how)
	switch how {
	case cookie.Unreadable:
		s.standing = standingRejected
		o.Events.CookieRejected(s)
	case cookie.Unreachable:
		s.standing = standingUnknown
		s.fault.Store(&errStore)
		o.Events.LedgerUnavailable(s, nil, errStore)
	}
	// Its credential is where nobody gets at it: no handler could do anything
	// for this user.
	return s
}

// withinLimits judges the times in a record. They are enforced here, by the
// app's clock and Config of today, and not by a Max-Age of the cookie, which a
// copy of it does not heed: a shorter limit counts for sessions that have begun
// already (ASVS 5.0, 7.3.1 and 7.3.2).
func (o *Opener) withinLimits(rec *record.Record, now int64) standing {
	switch {
	case rec.StartedAt <= 0, rec.StartedAt > now+maxStartAhead.Milliseconds(), rec.SeenAt < rec.StartedAt:
		return standingRejected
	// Idleness first: such a cookie may be an old copy of one in use, so its
	// absolute end must not revoke anything.
	case now-rec.SeenAt > o.Limits.Idle.Milliseconds():
		return standingIdle
	case o.Limits.PastEnd(rec, now):
		return standingOver
	default:
		return standingOpen
	}
}

// askLedger lets the ledger decide over a session that is within its limits. It
// is asked on every request with a session, since a cookie cannot be taken
// back: a copy of it would open a signed-out session until it expires (ASVS
// 5.0, 7.4.1).
func (o *Opener) askLedger(s *Session) {
	found, cutOff, err := o.Ledger.Look(s, &s.carried.Keys)
	rec := &s.carried.Record
	switch {
	case s.carried.HasEnded(&found, cutOff, err):
		s.standing = standingEnded
		if err != nil {
			o.Events.SessionEnded(s, s.carried, 0, err)
		}
	case err != nil:
		o.Events.LedgerUnavailable(s, s.carried, err)
		if rec.InLedger {
			s.standing = standingUnknown
			fault := err // err itself stays off the heap where there is none
			s.fault.Store(&fault)
			return
		}
		// ECGrid still refuses a token that was revoked.
		s.newest.Store(s.carried)
	default:
		s.newest.Store(s.carried.With(&found))
	}
}

// endOutlived ends a session whose absolute limit has passed and has its token
// revoked, once. By a request that was within the idle limit, so this is the
// session in use and no old copy of it (withinLimits). Where the ledger fails
// nothing is revoked: another request may have done it already.
func (o *Opener) endOutlived(s *Session) {
	ended, err := lifecycle.End(s, o.Ledger, o.Limits, s.carried)
	if err != nil {
		o.Events.LedgerUnavailable(s, s.carried, err)
	}
	if ended.Won {
		o.Events.SessionEnded(s, s.carried, 0, nil)
		o.Orphaned(s.carried, ended.Newest)
	}
}

// sessionIn is the session that Wrap put into ctx, or nil.
func (o *Opener) In(ctx context.Context) *Session {
	s, _ := ctx.Value(contextKey{o}).(*Session)
	return s
}

// sessionFor is the request's session, opened now where the handler runs
// outside of Wrap. Opened outside of Wrap it is nobody else's: what a handler
// does with it, the rest of the request does not see.
func (o *Opener) For(r *http.Request) *Session {
	if s := o.In(r.Context()); s != nil {
		return s
	}
	return o.open(r)
}

// Give returns a context in which given stands in the place of the session: work
// in the background for one user must not fall back to another's.
func (o *Opener) Give(ctx context.Context, given any) context.Context {
	return context.WithValue(ctx, contextKey{o}, given)
}

// Given is what ctx got from Give; nil or another thing where it got nothing.
func (o *Opener) Given(ctx context.Context) any { return ctx.Value(contextKey{o}) }
