package ecgridsession

import (
	"cmp"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/ecgrid-contrib/ecgridsession/internal/web"
)

// The sign-in page: what was typed, what the page says, and how a sign-in that
// failed is answered.

// loginIsSecret reports whether what the user types as the login is an API key,
// as one of the vendor's pages signs in. Such a login is shown nowhere.
func (m *Middleware) loginIsSecret() bool { return strings.EqualFold(m.cfg.LoginField, "apiKey") }

// shownLogin is the login for another try.
func (m *Middleware) shownLogin(form signInForm) string {
	if m.loginIsSecret() {
		return ""
	}
	return form.login
}

// ReturnTo is where to send the browser after sign-in, for an app's own sign-in
// handler: the return_to that [Middleware.Require] put into the address of the
// sign-in page, or that came with the form, if it is a path on this site that
// neither signs in nor out. Otherwise it is Config.AfterLogin. The form counts
// before the query; it is looked at if r.ParseForm was called.
func (m *Middleware) ReturnTo(r *http.Request) string { return m.cfg.returnTo(r) }

// showSignIn says who is signed in, or why a session is over.
func (m *Middleware) showSignIn(w http.ResponseWriter, r *http.Request) {
	s := m.requests.For(r)
	data := web.PageData{Back: m.cfg.returnTo(r), Notice: overNotice(r, s.Over()), Again: m.cfg.LoginURL}
	if snap := s.Newest(); snap != nil {
		data.SignedIn, data.As, data.Notice = true, snap.Record.Login, "You are signed in."
		data.Again = data.Back
	}
	if s.Dead() {
		m.requests.DeleteCookie(w, r)
	}
	page := web.SignIn
	if web.IsFrame(r) {
		page = web.SignInFromFrame
	}
	m.answers.Page(w, r, http.StatusOK, page, data)
}

// signInForm is what the user typed.
type signInForm struct{ login, password, apiKey string }

// problem says, in words for the page, why the form cannot be tried. What
// ECGrid cannot accept is not sent to it. A login that is a key needs no password.
func (f signInForm) problem(loginIsKey bool) string {
	switch {
	case f.apiKey != "" && f.password != "":
		return "Use either a password or an API key."
	case f.apiKey == "" && (f.login == "" || f.password == "" && !loginIsKey):
		return "Enter your login and password, or an API key."
	default:
		return ""
	}
}

// answerFailedSignIn tells what ECGrid does not accept, which the user can mend, from
// what only time or an operator can.
func (m *Middleware) answerFailedSignIn(w http.ResponseWriter, r *http.Request, form signInForm, err error) {
	var upstream *UpstreamError
	switch {
	// The same words for a login that does not exist and a password that is
	// wrong: they tell nobody which logins there are.
	case errors.Is(err, errNotAccepted):
		problem := notAccepted
		if form.apiKey != "" {
			problem = keyNotAccepted
		}
		m.refuseSignIn(w, r, http.StatusUnauthorized, form, problem)
	case errors.Is(err, ErrSessionTooLarge):
		m.fail(w, r, http.StatusBadRequest, err)
	case errors.As(err, &upstream):
		// No Event tells of a sign-in that failed; the log does where it is
		// ECGrid's fault, and not where anybody can cause it at will.
		m.cfg.Logger.WarnContext(r.Context(), "ecgridsession: sign-in failed", "error", err)
		web.SetRetryAfter(w, cmp.Or(upstream.RetryAfter, 5*time.Second))
		m.postponeSignIn(w, r, form, err)
	case errors.Is(err, ErrLedgerUnavailable):
		web.RetryLater(w)
		m.postponeSignIn(w, r, form, err)
	// Start has refused it unsent. To the user it is a key like any other that
	// is wrong.
	case form.apiKey != "" && (Credential{APIKey: form.apiKey}).validate() != nil:
		m.refuseSignIn(w, r, http.StatusUnauthorized, form, keyNotAccepted)
	default:
		m.cfg.Logger.ErrorContext(r.Context(), "ecgridsession: sign-in failed", "error", err)
		m.fail(w, r, http.StatusInternalServerError, err)
	}
}

// The words of the sign-in page for what went wrong.
const (
	notAccepted    = "Login or password is not correct."
	keyNotAccepted = "This API key is not valid."
	tryLater       = "Signing in is not possible at the moment. Please try again shortly."
	wentWrong      = "Signing in failed. It has been noted. Please try again."
)

// LoginMessage is what [Middleware.LoginHandler] would say of an error of
// [Middleware.Login], for an app's own sign-in page. It holds nothing of the error
// and is safe to show. It is "" for nil.
func (m *Middleware) LoginMessage(err error) string {
	var upstream *UpstreamError
	switch {
	case err == nil:
		return ""
	case errors.Is(err, errNotAccepted):
		return notAccepted
	case errors.As(err, &upstream), errors.Is(err, ErrLedgerUnavailable):
		return tryLater
	default:
		return wentWrong
	}
}

// refuseSignIn shows the form again, with the login but never with a secret.
func (m *Middleware) refuseSignIn(w http.ResponseWriter, r *http.Request, status int, form signInForm, problem string) {
	if web.IsScript(r) {
		web.WriteJSON(w, status, struct {
			Authenticated bool   `json:"authenticated"`
			Error         string `json:"error"`
		}{false, problem})
		return
	}
	m.answers.Page(w, r, status, web.SignIn, web.PageData{
		Problem: problem, Invalid: true, Login: m.shownLogin(form), ByKey: form.apiKey != "", ReturnTo: m.returnToField(r),
	})
}

// postponeSignIn answers where only time can help: a browser gets the form for
// another try, unless the app has an answer of its own.
func (m *Middleware) postponeSignIn(w http.ResponseWriter, r *http.Request, form signInForm, err error) {
	if m.cfg.ErrorHandler != nil || !web.ShowsPages(r) {
		m.fail(w, r, http.StatusServiceUnavailable, err)
		return
	}
	m.answers.Page(w, r, http.StatusServiceUnavailable, web.SignIn, web.PageData{
		Problem: tryLater,
		Login:   m.shownLogin(form), ByKey: form.apiKey != "", ReturnTo: m.returnToField(r),
	})
}

// returnToField is the way back that came in the form, for the next try. One that
// came in the query is still in the address that the form posts to.
func (m *Middleware) returnToField(r *http.Request) string {
	if given := r.PostForm["return_to"]; len(given) == 1 && m.cfg.validReturn(given[0]) {
		return given[0]
	}
	return ""
}
