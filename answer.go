package ecgridsession

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/ecgrid-contrib/ecgridsession/internal/localpath"
)

// How the handlers of this package answer: with a page, JSON, a redirect or a
// header for htmx, whichever the client can use. What it can use is told by
// fetch_metadata.go; the pages are in pages.go. Wrap never comes here, since it
// never answers.

// noStore keeps the answer out of every cache (ASVS 5.0, 14.3.2). It is called
// before anything is decided, so that an answer by Config.ErrorHandler or by
// the app has it, too.
func noStore(w http.ResponseWriter) { w.Header().Set("Cache-Control", "no-store") }

// fail answers with Config.ErrorHandler, or with a page or JSON that says in
// fixed words what is the matter. err goes to ErrorHandler alone: the words of
// our own answer are chosen by it and never taken from it (ASVS 5.0, 16.5.1).
func (m *Middleware) fail(w http.ResponseWriter, r *http.Request, status int, err error) {
	noStore(w)
	if m.cfg.ErrorHandler != nil {
		m.cfg.ErrorHandler(w, r, status, err)
		return
	}
	words := failureWords(status, err)
	// A fragment with the whole page in it is what htmx would make of it.
	if acceptsHTML(r) && !isScript(r) && !isHTMX(r) {
		m.renderPage(w, r, status, pageFailure, pageData{Title: words.title, Text: words.text, Back: m.cfg.AfterLogout})
		return
	}
	writeJSON(w, status, struct {
		Error string `json:"error"`
	}{words.code})
}

// wording is how one kind of failure is told: to scripts, and to people.
// Scripts compare the code, so it is part of what an app may rely on.
type wording struct{ code, title, text string }

// failureWords looks at err before the status: an unconfirmed sign-out is a 503
// as well, whose words would say that nobody was signed out.
func failureWords(status int, err error) wording {
	switch {
	case errors.Is(err, ErrLogoutUnconfirmed):
		return wording{"sign-out not confirmed", "Sign-out not confirmed",
			"This browser has forgotten your session, but it could not be confirmed that it has ended everywhere. Please try again in a moment."}
	case errors.Is(err, ErrCrossOrigin):
		return wording{"cross-origin request refused", "Request refused",
			"The request came from another site. Nothing was changed."}
	case status == http.StatusUnauthorized:
		return wording{"not signed in", "Not signed in", "Please sign in and try again."}
	case status == http.StatusMethodNotAllowed:
		return wording{"method not allowed", "Method not allowed", "This address cannot be used in that way. Nothing was changed."}
	case status == http.StatusRequestEntityTooLarge, errors.Is(err, ErrSessionTooLarge):
		return wording{"too large", "Too large", "What was sent is longer than anything that is expected here."}
	case status == http.StatusBadRequest:
		return wording{"bad request", "Bad request", "What was sent could not be understood."}
	case status == http.StatusServiceUnavailable:
		return wording{"temporarily unavailable", "Just a moment",
			"A service that is needed here does not answer. You have not been signed out. Please try again in a moment."}
	default:
		return wording{"internal error", "Something went wrong", "It has been noted. Please try again."}
	}
}

// methodNotAllowed answers 405 and takes back the cookie that Wrap may have set:
// a refused request changes nothing.
func (m *Middleware) methodNotAllowed(w http.ResponseWriter, r *http.Request, allow string) {
	takeBackCookie(w.Header(), m.cfg.CookieName)
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
	takeBackCookie(w.Header(), m.cfg.CookieName)
	m.fail(w, r, http.StatusForbidden, ErrCrossOrigin)
	return true
}

// goTo sends the client on to a path on this site, in the way that it
// understands.
func goTo(w http.ResponseWriter, r *http.Request, target string) {
	switch {
	case isHTMX(r):
		// A 303 would be followed unseen, and its page put where the button
		// was.
		w.Header().Set("HX-Redirect", target)
		w.WriteHeader(http.StatusNoContent)
	case isScript(r):
		w.WriteHeader(http.StatusNoContent)
	default:
		// Not http.Redirect, which would rewrite the path by that of the
		// request; the target is checked, and relative by design.
		w.Header().Set("Location", target)
		w.WriteHeader(http.StatusSeeOther)
	}
}

// loginURLFor is the sign-in page that leads back to r. A target that is no
// place to return to is left out, and sign-in then ends at Config.AfterLogin.
// The check is made here and once more at sign-in: what comes back has been in
// the browser's hands.
func (m *Middleware) loginURLFor(r *http.Request) string {
	// RequestURI, not URL: what http.StripPrefix took off is needed again.
	if !m.validReturn(r.RequestURI) || r.RequestURI == m.cfg.AfterLogin {
		return m.cfg.LoginURL
	}
	login, err := url.Parse(m.cfg.LoginURL)
	if err != nil {
		return m.cfg.LoginURL
	}
	query := login.Query()
	// Encoded with whatever the URL of the app's own sign-in page has already.
	query.Set("return_to", r.RequestURI)
	login.RawQuery = query.Encode()
	return login.String()
}

// validReturn tells whether a browser may be sent to target after sign-in: a
// path on this site that does not itself sign in or out. A way back to sign-in
// would lead in a circle, and one to sign-out would end the session that has
// just begun.
func (m *Middleware) validReturn(target string) bool {
	return localpath.Valid(target) &&
		!localpath.SamePath(target, m.cfg.LoginURL) &&
		!localpath.SamePath(target, m.cfg.LogoutURL)
}

// retryLater asks clients to come back when the ledger may have. Nothing says
// how long a ledger is away: 5 seconds are short for a person, and long for
// those who come all at once.
func retryLater(w http.ResponseWriter) { setRetryAfter(w, 5*time.Second) }

// setRetryAfter writes the header in whole seconds, rounded up (RFC 9110,
// 10.2.3).
func setRetryAfter(w http.ResponseWriter, d time.Duration) {
	seconds := int((d + time.Second - 1) / time.Second)
	w.Header().Set("Retry-After", strconv.Itoa(max(seconds, 1)))
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	// ASVS 5.0, 3.4.4: a login name in the JSON never passes for HTML.
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body) // the browser may have gone: there is nobody to tell
}
