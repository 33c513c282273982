package request

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/ecgrid-contrib/ecgridsession/internal/cookie"
	"github.com/ecgrid-contrib/ecgridsession/internal/lifecycle"
	"github.com/ecgrid-contrib/ecgridsession/internal/record"
	"github.com/ecgrid-contrib/ecgridsession/internal/session"
	"github.com/ecgrid-contrib/ecgridsession/internal/web"
)

// What open asks, it asks from the cheapest to the dearest, and stops at the
// first no: is there a cookie, do we open it, is it within its limits, and only
// then the ledger.

// maxStartAhead is how far in the future a session may have started, because
// replicas' clocks differ. One that begins later would stay open for longer than
// Lifetime.
const maxStartAhead = session.ClockSlack

// Begin opens the session of a request for the handlers behind Wrap. They get
// what [Session.Writer] and [Session.Request] return, and Finish is called when
// they have returned.
//
// It never waits for ECGrid. A token that is due is refreshed where it is needed,
// so that signing out and images never wait. What has outlived its limit is
// ended here, since no handler will ask about it.
func (o *Opener) Begin(w http.ResponseWriter, r *http.Request) *Session {
	s := o.open(r)
	if s.standing == standingOver {
		o.endOutlived(s)
	}
	s.w = w
	if s.answer != nil {
		s.answer.subresource = web.IsSubresource(r)
		s.answer.writer.under, s.answer.writer.settler = w, s
		s.w = s.answer.writer.claim()
	}
	// Into the allocation that the session is in already.
	*s.request = *r.WithContext(s)
	return s
}

// Writer is what the handlers write to: the server's own ResponseWriter where
// the request has no cookie of ours.
func (s *Session) Writer() http.ResponseWriter { return s.w }

// Request is the request with the session in its context.
func (s *Session) Request() *http.Request { return s.request }

// Finish settles an answer that the handlers have not written. It is not called
// after a panic: what answers then is not known here.
func (s *Session) Finish() {
	if s.answer != nil {
		s.answer.writer.finish()
	}
}

// open finds out the state of the request's session: cookie, then limits, then
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
		s.ends.Store(o.Ledger.Ends()) // before the look
		s.looked.Store(s.now)
		o.askLedger(s)
	}
	return s
}

// unread is a request without a cookie of ours, or with one that says nothing.
// A store that fails is not a cookie that is bad: the one is an outage, which
// deletes nothing, the other is no session at all.
func (o *Opener) unread(ctx context.Context, how cookie.Reading) *Session {
	s := newAnonymous(ctx, o, how)
	switch how {
	case cookie.Unreadable:
		s.standing = standingRejected
		o.Events.CookieRejected(s)
	case cookie.Unreachable:
		s.standing = standingUnknown
		s.fault.Store(&cookie.ErrStore)
		o.Events.LedgerUnavailable(s, nil, cookie.ErrStore)
	}
	// Its credential is out of reach: no handler could do anything
	// for this user.
	return s
}

// newAnonymous is for a request whose cookie was not read: nothing is
// carried. For every image and script before sign-in it is all that is paid.
func newAnonymous(ctx context.Context, o *Opener, how cookie.Reading) *Session {
	made := new(struct {
		session Session
		request http.Request
	})
	s := &made.session
	s.Context, s.o, s.request, s.reading = ctx, o, &made.request, how
	if how != cookie.Absent {
		s.answer = new(answer)
	}
	return s
}

// newSession is one allocation, too. What holds a cookie is behind a
// pointer anyway: fmt prints the fields of a context that is in a field
// itself, as in %s of an *http.Request, but follows no further pointer.
func newSession(ctx context.Context, o *Opener, rec record.Record, how cookie.Reading) *Session {
	made := new(struct {
		session Session
		request http.Request
		answer  answer
		carried session.Snapshot
	})
	s := &made.session
	s.Context, s.o, s.request, s.answer, s.carried = ctx, o, &made.request, &made.answer, &made.carried
	s.carried.Record, s.reading = rec, how
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
		switch {
		case err != nil:
			if errors.Is(err, session.ErrForeign) {
				o.foreign.Do(func() {
					o.Logger.WarnContext(s, "ecgridsession: the ledger holds a value under a user's key that none of Config.Keys opens, and the user is signed out. "+
						"Does another app, with keys of its own, use the same ledger without a prefix that parts them? "+
						"Two such apps end each other's users when they sign out everywhere. Or was a key dropped too early?")
				})
			}
			o.Events.SessionEnded(s, s.carried, 0, err)
		case found.State == session.None && o.Unshared:
			o.warned.Do(func() {
				o.Logger.WarnContext(s, "ecgridsession: the ledger does not have a credential that belongs there, and the user is signed out. "+
					"Does the app run as more than one process, or was it restarted? A MemoryLedger is right for one process and forgets with it")
			})
		}
	case err != nil:
		s.answer.unasked = true
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

// In returns the session that Wrap put into ctx, or nil.
func (o *Opener) In(ctx context.Context) *Session {
	s, _ := ctx.Value(contextKey{o}).(*Session)
	return s
}

// For returns the request's session. It opens it now if the handler runs outside
// of Wrap. The rest of the request then does not see what the handler does with
// it.
func (o *Opener) For(r *http.Request) *Session {
	if s := o.In(r.Context()); s != nil {
		return s
	}
	return o.open(r)
}

// Give returns a context in which given takes the place of the session: work
// in the background for one user must not fall back to another's.
func (o *Opener) Give(ctx context.Context, given any) context.Context {
	return context.WithValue(ctx, contextKey{o}, given)
}

// Given returns what ctx got from Give; nil or another thing where it got nothing.
func (o *Opener) Given(ctx context.Context) any { return ctx.Value(contextKey{o}) }

// The mistakes behind a context without a session of this Middleware.
var (
	errOtherMiddleware = fmt.Errorf("%w: the context has one of another Middleware, and none of this one", session.ErrNone)
	errNoWrap          = fmt.Errorf("%w: the request did not come through this Middleware's Wrap or Require", session.ErrNone)
	errNoRequest       = fmt.Errorf("%w: the context is not that of the request, or no Wrap or Require of this Middleware is around the handler", session.ErrNone)
)

// Why returns why ctx has no session of this Middleware, not even an anonymous
// one: that is a mistake in the app.
func (o *Opener) Why(ctx context.Context) error {
	switch {
	case ctx.Value(anyKey{}) != nil:
		return errOtherMiddleware
	case ctx.Value(http.ServerContextKey) != nil:
		return errNoWrap
	default:
		return errNoRequest
	}
}
