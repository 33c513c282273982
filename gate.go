package ecgridsession

import (
	"errors"
	"net/http"
)

// The gate before sign-in, sign-out and the session's information: who may ask,
// and by which method. A refused request changes nothing.

// methodNotAllowed answers 405 and takes back the cookie that Wrap may have set:
// a refused request changes nothing.
func (m *Middleware) methodNotAllowed(w http.ResponseWriter, r *http.Request, allow string) {
	m.requests.Refuse(w, r)
	w.Header().Set("Allow", allow)
	m.fail(w, r, http.StatusMethodNotAllowed, errMethodNotAllowed)
}

var errMethodNotAllowed = errors.New("ecgridsession: method not allowed")

// refuseCrossOrigin answers 403 where the request comes from another site. A
// cookie on that answer, a deletion above all, would reach the browser in spite
// of SameSite. It is for sign-in as well as sign-out: a page that signs its
// visitor in as the attacker sees what is entered afterwards (login CSRF).
func (m *Middleware) refuseCrossOrigin(w http.ResponseWriter, r *http.Request) (refused bool) {
	// By Sec-Fetch-Site or, without Fetch Metadata, by Origin and Host. A
	// client that sends none of them is no browser, and has no cookie that
	// somebody else could make it send (ASVS 5.0, 3.5.1).
	if m.gate.Check(r) == nil {
		return false
	}
	m.requests.Refuse(w, r)
	m.fail(w, r, http.StatusForbidden, ErrCrossOrigin)
	return true
}
