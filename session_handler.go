package ecgridsession

import (
	"errors"
	"net/http"

	"github.com/ecgrid-contrib/ecgridsession/internal/cookie"
	"github.com/ecgrid-contrib/ecgridsession/internal/web"
)

// What a page's scripts may know of the session, for a countdown or a "you have
// been signed out" (RFC 10017, 6.1.2.1). A page calls GET again and again without
// a person, so GET does not prolong the session. POST is for a person who has
// answered that they are still there (WCAG 2.2, 2.2.1).

// SessionHandler tells the page's scripts who is signed in and how long the
// session lasts: 200 and {"authenticated":true,…} with the fields of [Session]
// and logoutUrl, or 401 and {"authenticated":false}, or 503 where the ledger
// cannot say. It takes GET and HEAD, which do not prolong the session, and POST,
// which does: idleEndsAt in its answer is Config.IdleTimeout from now. A POST
// from another site is refused with 403. Works inside and outside of
// [Middleware.Wrap].
func (m *Middleware) SessionHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		web.NoStore(w)
		s := m.requests.For(r)
		switch r.Method {
		case http.MethodGet, http.MethodHead:
			s.Asked()
		case http.MethodPost:
			// Another site would keep a session alive whose user has left.
			if m.refuseCrossOrigin(w, r) {
				return
			}
			s.Prolong(w, r)
		default:
			m.methodNotAllowed(w, r, "GET, HEAD, POST")
			return
		}
		// For clients that keep the answer in spite of no-store: it is one
		// user's.
		if !cookie.Varies(w.Header(), "Cookie") {
			w.Header().Add("Vary", "Cookie")
		}
		snap, err := s.Open()
		switch {
		case err == nil:
			web.WriteJSON(w, http.StatusOK, m.sessionInfo(m.events.describeUse(s, snap)))
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
