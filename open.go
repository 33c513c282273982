package ecgridsession

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/ecgrid-contrib/ecgridsession/internal/record"
)

// maxStartAhead is how far in the future a session may have started: replicas'
// clocks differ a little.
const maxStartAhead = time.Minute

// open finds out where the request's session stands: cookie, then limits, then
// ledger. It changes nothing and sets no cookie.
func (m *Middleware) open(r *http.Request) *requestSession {
	rec, how := m.carrier.read(r)
	if how != current && how != outdated {
		return m.unread(r.Context(), how)
	}
	s := newRequestSession(r.Context(), m, rec, how)
	s.now = m.now().UnixMilli()
	s.carried.keys = m.ledger.keysOf(rec.ID, rec.UserID)
	s.standing = m.withinLimits(&rec, s.now)
	switch s.standing {
	case standingRejected:
		m.emit(s, Event{Kind: CookieRejected})
	case standingOpen:
		m.askLedger(s)
	}
	return s
}

// unread is a request without a cookie of ours, or with one that says nothing.
func (m *Middleware) unread(ctx context.Context, how reading) *requestSession {
	s := newAnonymousRequest(ctx, m, how)
	switch how {
	case unreadable:
		s.standing = standingRejected
		m.emit(s, Event{Kind: CookieRejected})
	case unreachable:
		s.standing = standingUnknown
		s.fault.Store(&errStoreUnavailable)
		m.emit(s, Event{Kind: LedgerUnavailable, Err: errStoreUnavailable})
	}
	return s
}

// withinLimits judges the times in a record.
func (m *Middleware) withinLimits(rec *record.Record, now int64) standing {
	switch {
	case rec.StartedAt <= 0, rec.StartedAt > now+maxStartAhead.Milliseconds(), rec.SeenAt < rec.StartedAt:
		return standingRejected
	// Idleness first: such a cookie may be an old copy of one in use, so its
	// absolute end must not revoke anything.
	case now-rec.SeenAt > m.cfg.IdleTimeout.Milliseconds():
		return standingIdle
	case m.pastEnd(rec, now):
		return standingOver
	default:
		return standingOpen
	}
}

// pastEnd tells whether the absolute limit of a session has passed.
func (m *Middleware) pastEnd(rec *record.Record, now int64) bool {
	return now-rec.StartedAt >= m.cfg.Lifetime.Milliseconds()
}

// askLedger lets the ledger decide over a session that is within its limits.
func (m *Middleware) askLedger(s *requestSession) {
	found, cutOff, err := m.ledger.look(s, &s.carried.keys)
	rec := &s.carried.record
	switch {
	case hasEnded(rec, &found, cutOff, err):
		s.standing = standingEnded
		if err != nil {
			m.emit(s, Event{Kind: SessionEnded, Session: m.describe(s.carried), Err: err})
		}
	case err != nil:
		m.emit(s, Event{Kind: LedgerUnavailable, Session: m.describe(s.carried), Err: err})
		if rec.InLedger {
			s.standing = standingUnknown
			fault := err // err itself stays off the heap where there is none
			s.fault.Store(&fault)
			return
		}
		// ECGrid still refuses a token that was revoked.
		s.newest.Store(s.carried)
	default:
		s.newest.Store(s.carried.with(&found))
	}
}

// hasEnded tells what the ledger's answer means for a session.
func hasEnded(rec *record.Record, found *entry, cutOff uint64, err error) bool {
	switch {
	case errors.Is(err, errEntryUnreadable):
		// Whoever writes garbage there must not be able to keep a session open.
		return true
	case err != nil:
		return false // nothing is known
	default:
		return found.state == entryEnded || cutOff > rec.CutOff ||
			// What the ledger has lost signs out, never in.
			found.state == entryNone && rec.InLedger
	}
}

// settleCookie brings the browser's cookie up to date with what was found.
func (m *Middleware) settleCookie(w http.ResponseWriter, r *http.Request, s *requestSession) {
	snap := s.newest.Load()
	due := snap != nil && m.cookieDue(s, snap)
	gone := snap == nil && s.reading != absent && s.unavailable() == nil
	switch {
	case !due && !gone:
	case isSubresource(r):
		// A static handler overwrites our no-store, and a shared cache would
		// keep the cookie.
	case due:
		s.reissued = true
		// Clocks of replicas differ; what was seen never moves back.
		m.writeSession(w, r, s, snap, max(s.now, snap.record.SeenAt))
	case isDocument(r) || !hasFetchMetadata(r):
		// Not for scripts: a poller's late answer would delete the cookie of a
		// sign-in that has just happened.
		m.deleteCookie(w, r)
	}
}

// cookieDue tells whether the browser is to have its cookie anew: the one it sent
// is of an older generation or key, or a tenth of the idle limit has passed, so
// that most answers carry none.
func (m *Middleware) cookieDue(s *requestSession, snap *snapshot) bool {
	return s.outOfDate(snap) || s.now-s.carried.record.SeenAt >= m.cfg.IdleTimeout.Milliseconds()/10
}

// undoReissue takes back what settleCookie did for the idle limit: the session was
// not used, only asked about. A newer token or key still reaches the browser.
func (m *Middleware) undoReissue(w http.ResponseWriter, r *http.Request, s *requestSession, snap *snapshot) {
	if !s.reissued {
		return
	}
	takeBackCookie(w.Header(), m.cfg.CookieName)
	// A store of its own has the new time in its row.
	m.writeSession(w, r, s, snap, s.carried.record.SeenAt)
	if !s.outOfDate(snap) {
		takeBackCookie(w.Header(), m.cfg.CookieName)
	}
}

// writeSession sets the session's cookie, as of one that was last seen at seenAt.
func (m *Middleware) writeSession(w http.ResponseWriter, r *http.Request, s *requestSession, snap *snapshot, seenAt int64) {
	rec := snap.record
	rec.SeenAt = seenAt
	err := m.carrier.write(w, r, &rec, false)
	if err != nil && !rec.InLedger {
		// A refresh may bring a longer token than the one before.
		if err = m.moveToLedger(s, snap); err == nil {
			rec.InLedger = true
			err = m.carrier.write(w, r, &rec, false)
		}
	}
	if err != nil {
		// The cookie that the browser has goes on: the ledger knows the rest.
		m.cfg.Logger.WarnContext(s, "ecgridsession: the session cookie was not set anew", "error", err)
	}
}

// moveToLedger keeps the credential of an open session in the ledger from now
// on, until the session's absolute end.
func (m *Middleware) moveToLedger(ctx context.Context, snap *snapshot) error {
	found, err := m.ledger.lookEntry(ctx, &snap.keys)
	switch {
	case err != nil:
		return err
	case found.state == entryEnded || found.state == entryRefreshing || found.generation > snap.record.Generation:
		return fmt.Errorf("%w: the session is changing", ErrSessionTooLarge)
	}
	next := entry{state: entryLive, generation: snap.record.Generation, credential: snap.record.Credential}
	_, swapped, err := m.ledger.swapEntry(ctx, &snap.keys, found, next, m.untilEnd(&snap.record))
	if err == nil && !swapped {
		err = fmt.Errorf("%w: the session is changing", ErrSessionTooLarge)
	}
	return err
}

// deleteCookie sets the deletion cookie. A store that keeps its row is told of
// in the log: the ledger has the last word, so the row opens nothing.
func (m *Middleware) deleteCookie(w http.ResponseWriter, r *http.Request) {
	if err := m.carrier.delete(w, r); err != nil {
		m.cfg.Logger.WarnContext(r.Context(), "ecgridsession: the session store kept its row", "error", err)
	}
}

// endOutlived ends a session whose absolute limit has passed and has its token
// revoked, once.
func (m *Middleware) endOutlived(s *requestSession) {
	ended, err := m.end(s, s.carried)
	if err != nil {
		m.emit(s, Event{Kind: LedgerUnavailable, Session: m.describe(s.carried), Err: err})
	}
	if ended.won {
		m.emit(s, Event{Kind: SessionEnded, Session: m.describe(s.carried)})
		m.revokeLater(s.carried, ended)
	}
}
