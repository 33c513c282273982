package request

import (
	"net/http"

	"github.com/ecgrid-contrib/ecgridsession/internal/cookie"
	"github.com/ecgrid-contrib/ecgridsession/internal/session"
	"github.com/ecgrid-contrib/ecgridsession/internal/web"
)

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
