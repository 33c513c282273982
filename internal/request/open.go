package request

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/ecgrid-contrib/ecgridsession/internal/cookie"
	"github.com/ecgrid-contrib/ecgridsession/internal/lifecycle"
	"github.com/ecgrid-contrib/ecgridsession/internal/record"
	"github.com/ecgrid-contrib/ecgridsession/internal/session"
	"github.com/ecgrid-contrib/ecgridsession/internal/web"
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

// Opener opens the sessions of requests.
type Opener struct {
	Carrier    cookie.Carrier
	CookieName string
	Ledger     *session.Ledger
	Limits     *session.Limits
	Refresher  *lifecycle.Refresher
	Logger     *slog.Logger
	Events     Events

	// CredentialInLedger: no cookie is to hold a credential.
	CredentialInLedger bool

	// Orphaned takes the credential of a session that is over.
	Orphaned func(*session.Snapshot, record.Credential)
}

// Events are told what became of sessions; snap is nil where it is not known
// whose.
type Events interface {
	CookieRejected(ctx context.Context)
	SessionEnded(ctx context.Context, snap *session.Snapshot, took time.Duration, err error)
	LedgerUnavailable(ctx context.Context, snap *session.Snapshot, err error)
}

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

// settleCookie brings the browser's cookie up to date with what was found.
// Before the handler runs, since afterwards the headers may have been sent;
// that the browser may miss it does no harm, for the ledger knows the newer
// token and the next answer tries again.
func (o *Opener) settleCookie(w http.ResponseWriter, r *http.Request, s *Session) {
	snap := s.newest.Load()
	due := snap != nil && o.cookieDue(s, snap)
	gone := snap == nil && s.reading != cookie.Absent && s.Unavailable() == nil
	switch {
	case !due && !gone:
	case web.IsSubresource(r):
		// A static handler overwrites our no-store, and a shared cache would
		// keep the cookie.
	case due:
		// For SessionHandler, which takes it back.
		s.reissued = true
		// Clocks of replicas differ; what was seen never moves back.
		o.writeSession(w, r, s, snap, max(s.now, snap.Record.SeenAt))
	case web.IsDocument(r) || !web.HasFetchMetadata(r):
		// Not for scripts: a poller's late answer would delete the cookie of a
		// sign-in that has just happened.
		o.DeleteCookie(w, r)
	}
}

// cookieDue tells whether the browser is to have its cookie anew: the one it
// sent is of an older generation or key, or a tenth of the idle limit has
// passed, so that most answers carry none. A tenth is the price of not setting
// it on each answer: a session may end by as much too early (doc.go, Limits).
func (o *Opener) cookieDue(s *Session, snap *session.Snapshot) bool {
	return s.outOfDate(snap) || s.now-s.carried.Record.SeenAt >= o.Limits.Idle.Milliseconds()/10
}

// undoReissue takes back what settleCookie did for the idle limit: the session
// was not used, only asked about. A newer token or key still reaches the
// browser. The poll of a page that is open in the background would else keep a
// session for ever.
func (o *Opener) UndoReissue(w http.ResponseWriter, r *http.Request, s *Session) {
	snap := s.newest.Load()
	if snap == nil || !s.reissued {
		return
	}
	cookie.TakeBack(w.Header(), o.CookieName)
	// A store of its own has the new time in its row. So it is written even
	// where the browser is to hear nothing of it.
	o.writeSession(w, r, s, snap, s.carried.Record.SeenAt)
	if !s.outOfDate(snap) {
		cookie.TakeBack(w.Header(), o.CookieName)
	}
}

// writeSession sets the session's cookie, as of one that was last seen at seenAt.
func (o *Opener) writeSession(w http.ResponseWriter, r *http.Request, s *Session, snap *session.Snapshot, seenAt int64) {
	rec := snap.Record
	rec.SeenAt = seenAt
	err := o.write(w, r, &rec, false)
	// Whatever the error: a store does not say that a session was too large for
	// it.
	if err != nil && !rec.InLedger {
		// A refresh may bring a longer token than the one before.
		if err = o.Ledger.TakeOver(s, snap, o.Limits.UntilEnd(&rec)); err == nil {
			rec.InLedger = true
			err = o.write(w, r, &rec, false)
		}
	}
	if err != nil {
		// The cookie that the browser has goes on: the ledger knows the rest.
		o.Logger.WarnContext(s, "ecgridsession: the session cookie was not set anew", "error", err)
	}
}

// deleteCookie sets the deletion cookie. A store that keeps its row is told of
// in the log: the ledger has the last word, so the row opens nothing.
func (o *Opener) DeleteCookie(w http.ResponseWriter, r *http.Request) {
	if err := o.Carrier.Delete(w, r); err != nil {
		o.Logger.WarnContext(r.Context(), "ecgridsession: the session store kept its row", "error", err)
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
