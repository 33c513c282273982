package ecgridsession

import (
	"errors"
	"net/http"

	"github.com/ecgrid-contrib/ecgridsession/internal/cookie"
	"github.com/ecgrid-contrib/ecgridsession/internal/web"
)

// What a page's scripts may know of the session, for a countdown or a "you have
// been signed out" (RFC 10017, 6.1.2.1). It is the one handler that a page
// calls again and again without a person, and all of its care comes from that:
// it must not prolong what nobody uses.

// SessionHandler tells the page's scripts who is signed in and how long the
// session lasts: 200 and {"authenticated":true,…} with the fields of [Session]
// and logoutUrl, or 401 and {"authenticated":false}, or 503 where the ledger
// cannot say. It takes GET and HEAD. Asking does not prolong the session. Works
// inside and outside of [Middleware.Wrap].
func (m *Middleware) SessionHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		web.NoStore(w)
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			m.methodNotAllowed(w, r, "GET, HEAD")
			return
		}
		s := m.requests.For(r)
		s.Asked()
		// For clients that keep the answer in spite of no-store: it is one
		// user's.
		if !cookie.Varies(w.Header(), "Cookie") {
			w.Header().Add("Vary", "Cookie")
		}
		snap, err := s.Open()
		switch {
		case err == nil:
			web.WriteJSON(w, http.StatusOK, m.sessionInfo(m.events.describe(snap)))
		// Not 401: a script would tell a user who is signed in otherwise.
		case errors.Is(err, ErrLedgerUnavailable):
			web.RetryLater(w)
			m.fail(w, r, http.StatusServiceUnavailable, err)
		default:
			web.WriteJSON(w, http.StatusUnauthorized, struct {
				Authenticated bool `json:"authenticated"`
			}{false})
		}
	})
}

// sessionInfo is what scripts may know. It is the answer to a sign-in by a
// script as well. Session has no secret, so it goes out as it is.
func (m *Middleware) sessionInfo(s Session) any {
	return struct {
		Authenticated bool `json:"authenticated"`
		Session
		LogoutURL string `json:"logoutUrl"`
	}{true, s, m.cfg.LogoutURL}
}
