package ecgridsession

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// maxLoginBody bounds what a sign-in may send, in bytes: a login, a password or
// a key, and a path.
const maxLoginBody = 64 << 10

// Login signs the user in at ECGrid and starts a session with the token it
// gives. A session that was there before is ended and its token revoked. It
// sets headers and leaves the answer to the caller, who has also checked that
// the request comes from this site; [Middleware.LoginHandler] does both.
//
// The errors wrap an [UpstreamError] where ECGrid refused or did not answer
// within Config.AuthTimeout, [ErrSessionTooLarge] or [ErrLedgerUnavailable], or
// the error of a request that was cancelled. No cookie is set then, the session
// that was there goes on, and a token that has come is revoked.
func (m *Middleware) Login(w http.ResponseWriter, r *http.Request, login, password string) (Session, error) {
	if err := m.mayStart(r); err != nil {
		return Session{}, err
	}
	// To the end though the browser hangs up: a token that comes then must not
	// be left alive.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), m.cfg.AuthTimeout)
	defer cancel()
	defer m.revoker.pending.hold()()
	began := m.now()
	grant, err := m.ecgrid.Login(ctx, login, password)
	took := m.now().Sub(began)
	if err != nil {
		return Session{}, signInError("login", err)
	}
	c := Credential{
		Token:        grant.Token,
		RefreshToken: grant.RefreshToken,
		ExpiresAt:    grant.ExpiresAt,
		UserID:       grant.UserID,
	}
	var session Session
	if err = r.Context().Err(); err == nil {
		session, err = m.begin(w, r, newSession{credential: c, login: login, took: took})
	}
	if err != nil {
		// Nobody will ever hold this token.
		m.revoker.later(revocation{session: Session{UserID: c.UserID, Login: login}, credential: c})
		return Session{}, err
	}
	return session, nil
}

// Start starts a session with a credential that the app already has. It asks
// ECGrid whose an API key is, or a token without a UserID. In all else it is
// [Middleware.Login]; besides its errors there is one for a credential that
// holds both kinds, none, or characters that no header can carry, and one for a
// UserID that is not the credential's.
func (m *Middleware) Start(w http.ResponseWriter, r *http.Request, c Credential) (Session, error) {
	if err := errors.Join(m.mayStart(r), c.validate()); err != nil {
		return Session{}, err
	}
	n := newSession{credential: c}
	if c.APIKey != "" || c.UserID == 0 {
		ctx, cancel := context.WithTimeout(r.Context(), m.cfg.AuthTimeout)
		defer cancel()
		began := m.now()
		identity, err := m.ecgrid.Session(ctx, c.auth())
		n.took = m.now().Sub(began)
		if err != nil {
			return Session{}, signInError("session", err)
		}
		if c.UserID != 0 && c.UserID != identity.UserID {
			return Session{}, errOtherUser
		}
		n.login = identity.Login
		n.credential.UserID = identity.UserID
		if c.Token != "" && c.ExpiresAt.IsZero() {
			n.credential.ExpiresAt = identity.ExpiresAt
		}
	}
	if c.APIKey != "" {
		n.credential.ExpiresAt = time.Time{} // a key has none of its own
	}
	return m.begin(w, r, n)
}

// mayStart keeps a cookie without Secure from leaving this machine.
func (m *Middleware) mayStart(r *http.Request) error {
	if m.cfg.InsecureCookie && !cameOverLoopback(r) {
		return errInsecureElsewhere
	}
	return nil
}

// LoginHandler is the sign-in route. GET shows a form that works without
// JavaScript. POST takes login and password, or api_key, as a form of at most
// 64 KiB, and return_to from the form or the query. It answers a browser with
// 303, htmx with HX-Redirect, and a script with 200 and what
// [Middleware.SessionHandler] says. What ECGrid does not accept is answered 401
// with the form again; 429 and outages, 503 with Retry-After and, for a browser,
// the form for another try. A request from another site is refused with 403: it
// would sign the user in as somebody else. Works inside and outside of
// [Middleware.Wrap].
func (m *Middleware) LoginHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		noStore(w)
		switch r.Method {
		case http.MethodGet, http.MethodHead:
			m.renderPage(w, r, http.StatusOK, pageSignIn, pageData{})
		case http.MethodPost:
			if !m.refuseCrossOrigin(w, r) {
				m.signIn(w, r)
			}
		default:
			m.methodNotAllowed(w, r, "GET, HEAD, POST")
		}
	})
}

func (m *Middleware) signIn(w http.ResponseWriter, r *http.Request) {
	if r.Body != nil { // as it is where a server has read the request
		r.Body = http.MaxBytesReader(w, r.Body, maxLoginBody)
	}
	if err := parseBody(r); err != nil {
		status := http.StatusBadRequest
		if tooLong := new(http.MaxBytesError); errors.As(err, &tooLong) {
			status = http.StatusRequestEntityTooLarge
		}
		m.fail(w, r, status, fmt.Errorf("ecgridsession: the sign-in form cannot be read"))
		return
	}
	form := signInForm{
		login: r.PostForm.Get("login"), password: r.PostForm.Get("password"), apiKey: r.PostForm.Get("api_key"),
	}
	if problem := form.problem(); problem != "" {
		m.refuseSignIn(w, r, http.StatusBadRequest, form, problem)
		return
	}
	var session Session
	var err error
	if form.apiKey != "" {
		session, err = m.Start(w, r, Credential{APIKey: form.apiKey})
	} else {
		session, err = m.Login(w, r, form.login, form.password)
	}
	if err != nil {
		m.signInFailed(w, r, form, err)
		return
	}
	if isScript(r) && !isHTMX(r) {
		writeJSON(w, http.StatusOK, m.sessionInfo(session))
		return
	}
	goTo(w, r, m.returnTo(r))
}

// parseBody fills in r.PostForm, from both encodings of a form: fetch() sends
// FormData as multipart. The query is left out: a link whose query cannot be
// read must not keep its victim from signing in.
func parseBody(r *http.Request) error {
	body := *r
	body.URL = &url.URL{}
	// Apart, since ParseMultipartForm alone passes over what is wrong with a
	// form that is not multipart.
	err := body.ParseForm()
	if err == nil {
		err = body.ParseMultipartForm(maxLoginBody)
	}
	r.PostForm = body.PostForm
	if errors.Is(err, http.ErrNotMultipart) {
		return nil
	}
	return err
}

// signInForm is what the user typed.
type signInForm struct{ login, password, apiKey string }

// problem says, in words for the page, why the form cannot be tried.
func (f signInForm) problem() string {
	switch {
	case f.apiKey != "" && f.password != "":
		return "Use either a password or an API key."
	case f.apiKey == "" && (f.login == "" || f.password == ""):
		return "Enter your login and password, or an API key."
	default:
		return ""
	}
}

// signInFailed tells what ECGrid does not accept, which the user can mend, from
// what only time or an operator can.
func (m *Middleware) signInFailed(w http.ResponseWriter, r *http.Request, form signInForm, err error) {
	var upstream *UpstreamError
	switch {
	case errors.Is(err, errNotAccepted):
		problem := "Login or password is not correct."
		if form.apiKey != "" {
			problem = "This API key is not valid."
		}
		m.refuseSignIn(w, r, http.StatusUnauthorized, form, problem)
	case errors.Is(err, ErrSessionTooLarge):
		m.fail(w, r, http.StatusBadRequest, err)
	case errors.As(err, &upstream):
		m.cfg.Logger.WarnContext(r.Context(), "ecgridsession: sign-in failed", "error", err)
		setRetryAfter(w, orDefault(upstream.RetryAfter, 5*time.Second))
		m.postponeSignIn(w, r, form, err)
	case errors.Is(err, ErrLedgerUnavailable):
		retryLater(w)
		m.postponeSignIn(w, r, form, err)
	case form.apiKey != "" && (Credential{APIKey: form.apiKey}).validate() != nil:
		m.refuseSignIn(w, r, http.StatusUnauthorized, form, "This API key is not valid.")
	default:
		m.cfg.Logger.ErrorContext(r.Context(), "ecgridsession: sign-in failed", "error", err)
		m.fail(w, r, http.StatusInternalServerError, err)
	}
}

// refuseSignIn shows the form again, with the login but never with a secret.
func (m *Middleware) refuseSignIn(w http.ResponseWriter, r *http.Request, status int, form signInForm, problem string) {
	if isScript(r) && !isHTMX(r) {
		writeJSON(w, status, struct {
			Authenticated bool   `json:"authenticated"`
			Error         string `json:"error"`
		}{false, problem})
		return
	}
	m.renderPage(w, r, status, pageSignIn, pageData{
		Problem: problem, Invalid: true, Login: form.login, ByKey: form.apiKey != "",
	})
}

// postponeSignIn answers where only time can help: a browser gets the form for
// another try, unless the app has an answer of its own.
func (m *Middleware) postponeSignIn(w http.ResponseWriter, r *http.Request, form signInForm, err error) {
	if m.cfg.ErrorHandler != nil || !acceptsHTML(r) || isScript(r) || isHTMX(r) {
		m.fail(w, r, http.StatusServiceUnavailable, err)
		return
	}
	m.renderPage(w, r, http.StatusServiceUnavailable, pageSignIn, pageData{
		Problem: "Signing in is not possible at the moment. Please try again shortly.",
		Login:   form.login, ByKey: form.apiKey != "",
	})
}

// returnTo is where a browser goes after sign-in. Given twice, it was put
// together by somebody else than our own pages, and is ignored.
func (m *Middleware) returnTo(r *http.Request) string {
	query, err := url.ParseQuery(r.URL.RawQuery)
	inForm, inQuery := r.PostForm["return_to"], query["return_to"]
	if err != nil || len(inForm) > 1 || len(inQuery) > 1 {
		return m.cfg.AfterLogin
	}
	targets := slices.Concat(inForm, inQuery)
	if len(targets) == 0 || !m.validReturn(targets[0]) {
		return m.cfg.AfterLogin
	}
	return targets[0]
}
