package request

import (
	"net/http"
	"time"

	"github.com/ecgrid-contrib/ecgridsession/internal/cookie"
	"github.com/ecgrid-contrib/ecgridsession/internal/session"
)

// settle puts into an answer what the browser is told about its session. What
// that is, is decided once, when the header is about to be written, by the state
// that the session has then: a refresh in the middle of a POST reaches the
// browser with the answer to that POST.
//
// A cookie of our name that is none of ours is removed, such as one that a
// reverse proxy copied from its upstream.
func (s *Session) settle(w http.ResponseWriter) {
	header := w.Header()
	if s.answer.told == nil {
		s.answer.told = s.decide(w)
	}
	if s.answer.told.text == "" {
		cookie.TakeBack(header, s.o.CookieName)
	} else {
		cookie.Set(header, s.o.CookieName, s.answer.told.text)
	}
	if s.answer.private.Load() {
		cookie.NoStore(header)
	}
}

// retract implements settler.
func (s *Session) retract(header http.Header) { cookie.TakeBack(header, s.o.CookieName) }

// freshly is how long the ledger's answer to a refresh counts as its latest.
const freshly = time.Second

// nothing is the line of most answers.
var nothing = &line{}

// decide is what settle decides. A cookie that opens no session stays where it
// is: the answer may come late, and would delete the cookie of a sign-in that
// has happened in the meantime. Logout, Require and the sign-in page delete it
// (DeleteCookie).
func (s *Session) decide(w http.ResponseWriter) *line {
	snap, owed := s.newest.Load(), s.answer.owed.Load()
	switch {
	case s.answer.refused.Load():
		return nothing
	case owed != nil && !owed.supersededBy(snap):
		return owed
	case snap == nil:
		return nothing
	}
	if owed == nil && (s.answer.subresource || !s.due(snap)) {
		return nothing
	}
	now := s.o.Limits.NowMillis() // not the time of the request, which may be a long one
	if s.o.Limits.PastEnd(&snap.Record, now) {
		return nothing
	}
	seenAt := max(now, snap.Record.SeenAt) // replicas' clocks differ; what was seen never moves back
	if owed == nil && s.answer.unused.Load() {
		seenAt = s.carried.Record.SeenAt
	}
	if snap = s.still(snap, now); snap == nil {
		return nothing
	}
	s.o.reissue(w, s.request, s, snap, seenAt)
	return &line{cookie.LastLine(w.Header(), s.o.CookieName), snap}
}

// due reports whether the browser gets its cookie again: for a newer generation,
// a newer key, or when a tenth of the idle limit has passed. A tenth, so that
// most answers set no cookie. The price is that a session may end by as much too
// early (package ecgridsession, Limits).
func (s *Session) due(snap *session.Snapshot) bool {
	switch {
	case s.outOfDate(snap), s.answer.used.Load():
		return true
	case s.answer.unused.Load():
		return false
	}
	now := s.now
	// An upload may take longer than the idle limit. A page that does so is so
	// rare that the others do not read the clock for it.
	if s.request.Method != http.MethodGet {
		now = s.o.Limits.NowMillis()
	}
	return now-s.carried.Record.SeenAt >= s.o.Limits.Idle.Milliseconds()/10
}

// UsedAt is when the session was last used, in ms, as the browser's cookie will
// have it after this request.
func (s *Session) UsedAt(snap *session.Snapshot) int64 {
	switch {
	// A sign-in within this request is a use by itself.
	case s.carried == nil, s.carried.Record.ID != snap.Record.ID:
	case s.answer.subresource, s.answer.unused.Load(), !s.due(snap):
	default:
		return max(s.now, snap.Record.SeenAt)
	}
	return snap.Record.SeenAt
}

// still asks the ledger whether the session has ended since the request began,
// and returns it with its newest credential. Otherwise a slow answer would put
// the cookie of a session that was signed out over the one of the next sign-in.
// Few answers set a cookie, so few pay for it.
func (s *Session) still(snap *session.Snapshot, now int64) *session.Snapshot {
	// The ledger did not answer a moment ago, or has just said so: a refresh
	// that many have waited for must not make all of them ask again.
	if s.answer.unasked || now-s.answer.refreshedAt.Load() < freshly.Milliseconds() {
		return snap
	}
	found, cutOff, err := s.o.Ledger.Look(s, &snap.Keys)
	switch {
	case snap.HasEnded(&found, cutOff, err):
		return nil
	case err != nil:
		s.o.Events.LedgerUnavailable(s, snap, err)
		return snap
	default:
		return snap.With(&found)
	}
}

// supersededBy reports whether snap has a newer credential than the line, which
// is the line of a sign-in.
func (l *line) supersededBy(snap *session.Snapshot) bool {
	return l.of != nil && snap != nil &&
		snap.Record.ID == l.of.Record.ID && snap.Record.Generation > l.of.Record.Generation
}

// reissue sets the cookie of an open session, last seen at seenAt. Where that
// fails, the cookie that the browser has stays good: the ledger knows the rest.
func (o *Opener) reissue(w http.ResponseWriter, r *http.Request, s *Session, snap *session.Snapshot, seenAt int64) {
	cookie.TakeBack(w.Header(), o.CookieName)
	rec := snap.Record
	rec.SeenAt = seenAt
	err := o.Carrier.Write(w, r, &rec, false)
	// Any error may mean that the session is too large: a store does not say so.
	if err != nil && !rec.InLedger {
		// A refresh may bring a longer token than the one before.
		if err = o.Ledger.TakeOver(s, snap, o.Limits.UntilEnd(&rec)); err == nil {
			rec.InLedger = true
			snap = &session.Snapshot{Record: rec, Keys: snap.Keys}
			err = o.Carrier.Write(w, r, &rec, false)
		}
	}
	if err != nil {
		o.Logger.WarnContext(s, "ecgridsession: the session cookie was not set anew", "error", err)
		return
	}
	o.Refresher.Touch(snap, seenAt)
}

// settles reports whether the answer goes through a writer of ours.
func (s *Session) settles() bool { return s.answer != nil && s.answer.writer.under != nil }

// Asked notes that the session was asked about and not used, so that this
// request does not prolong it. A newer token or key still reaches the browser.
// Otherwise a page that polls in the background would keep its session alive
// forever.
func (s *Session) Asked() {
	if s.answer != nil {
		s.answer.unused.Store(true)
	}
}

// Prolong notes that the session is used, and has the browser told at once.
func (s *Session) Prolong(w http.ResponseWriter, r *http.Request) {
	snap := s.newest.Load()
	switch {
	case snap == nil || s.answer == nil:
	case s.settles():
		s.answer.used.Store(true)
	default: // the answer goes through no writer of ours
		s.answer.used.Store(true)
		s.o.reissue(w, r, s, snap, max(s.now, snap.Record.SeenAt))
	}
}

// KeepPrivate has the answer sent with no-store, whatever its handler sets or
// clears.
func (s *Session) KeepPrivate() {
	if s.answer != nil {
		s.answer.private.Store(true)
	}
}

// Dead reports whether the request brought a cookie that opens no session, and
// is good for nothing any more.
func (s *Session) Dead() bool {
	return s.newest.Load() == nil && s.reading != cookie.Absent && s.Unavailable() == nil
}

// DeleteCookie has the browser forget the session's cookie. A store that keeps
// its row is reported in the log: the ledger decides, so the row gives access to
// nothing.
func (o *Opener) DeleteCookie(w http.ResponseWriter, r *http.Request) {
	if err := o.Carrier.Delete(w, r); err != nil {
		o.Logger.WarnContext(r.Context(), "ecgridsession: the session store kept its row", "error", err)
	}
	o.owe(w, r, nil)
}

// owe notes the line that has just been set, so that what handlers do to the
// header later cannot lose it. It is in the header already, for an answer that
// goes through no writer of ours.
func (o *Opener) owe(w http.ResponseWriter, r *http.Request, of *session.Snapshot) {
	s := o.In(r.Context())
	if s == nil {
		// A handler may have dropped the request's context.
		s, _ = behind(w).(*Session)
	}
	if s != nil && s.o == o && s.settles() {
		s.answer.owed.Store(&line{cookie.LastLine(w.Header(), o.CookieName), of})
	}
}

// Refuse has the answer set no cookie: a refused request changes nothing.
func (o *Opener) Refuse(w http.ResponseWriter, r *http.Request) {
	if s := o.In(r.Context()); s != nil && s.settles() {
		s.answer.refused.Store(true)
	}
	cookie.TakeBack(w.Header(), o.CookieName)
}
