package ecgridsession

import (
	"errors"
	"net/http"
)

// SessionHandler tells the page's scripts who is signed in and how long the
// session lasts: 200 and {"authenticated":true,…} with the fields of [Session]
// and logoutUrl, or 401 and {"authenticated":false}, or 503 where the ledger
// cannot say. It takes GET and HEAD. Asking does not prolong the session. Works
// inside and outside of [Middleware.Wrap].
func (m *Middleware) SessionHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		noStore(w)
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			m.methodNotAllowed(w, r, "GET, HEAD")
			return
		}
		s := m.sessionFor(r)
		if snap := s.newest.Load(); snap != nil {
			m.undoReissue(w, r, s, snap)
		}
		if !varies(w.Header(), "Cookie") {
			w.Header().Add("Vary", "Cookie")
		}
		snap, err := s.open()
		switch {
		case err == nil:
			writeJSON(w, http.StatusOK, m.sessionInfo(m.describe(snap)))
		case errors.Is(err, ErrLedgerUnavailable):
			retryLater(w)
			m.fail(w, r, http.StatusServiceUnavailable, err)
		default:
			writeJSON(w, http.StatusUnauthorized, struct {
				Authenticated bool `json:"authenticated"`
			}{false})
		}
	})
}

// sessionInfo is what scripts may know.
func (m *Middleware) sessionInfo(s Session) any {
	return struct {
		Authenticated bool `json:"authenticated"`
		Session
		LogoutURL string `json:"logoutUrl"`
	}{true, s, m.cfg.LogoutURL}
}
