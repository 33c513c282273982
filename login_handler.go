package ecgridsession

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ecgrid-contrib/ecgridsession/internal/ecgrid"
	"github.com/ecgrid-contrib/ecgridsession/internal/lifecycle"
	"github.com/ecgrid-contrib/ecgridsession/internal/record"
	"github.com/ecgrid-contrib/ecgridsession/internal/request"
	"github.com/ecgrid-contrib/ecgridsession/internal/web"
)

// Sign-in, from the request for the form to the session: LoginHandler reads
// what the user typed, Login or Start gets ECGrid's word on it, and begin
// makes the session. ECGrid is asked first and nothing is changed
// before it has said yes, so a wrong password costs nobody the session that was
// there.

// maxLoginBody bounds what a sign-in may send, in bytes: a login, a password or
// a key, and a path.
const maxLoginBody = 64 << 10

// Login signs the user in at ECGrid and starts a session with the token it
// gives. A session that was there before is ended and its token revoked. It
// sets headers and leaves the answer to the caller, who has also checked that
// the request comes from this site; [Middleware.LoginHandler] does both.
// The answer is no-store: leave Cache-Control and Set-Cookie as they are.
//
// At most 64 sign-ins wait for ECGrid at once, so that a slow ECGrid leaves room
// for refreshes and sign-outs. One beyond that waits for a fifth of
// Config.AuthTimeout, and then fails.
//
// The errors wrap an [UpstreamError] where ECGrid refused or did not answer
// within Config.AuthTimeout, [ErrSessionTooLarge] or [ErrLedgerUnavailable], or
// the error of a request that was cancelled. No cookie is set then, the session
// that was there goes on, and a token that has come is revoked.
func (m *Middleware) Login(w http.ResponseWriter, r *http.Request, login, password string) (Session, error) {
	if err := m.mayStart(r); err != nil {
		return Session{}, err
	}
	// Before the time of the call begins: one that is cut short may leave a
	// token behind that is unknown here.
	leave, err := m.grid.signIns.Enter(r.Context(), m.cfg.AuthTimeout/5)
	if err != nil {
		return m.signInFailed(r.Context(), 0, signInError("login", err))
	}
	defer leave()
	// To the end though the browser hangs up: a token that comes then must not
	// be left alive.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), m.cfg.AuthTimeout)
	defer cancel()
	defer m.revoker.Hold()()
	// Close waits for the call: by the time it returns, a token that came of it
	// is in a session or has been handed to the background.
	began := m.limits.Now()
	grant, err := m.grid.Login(ctx, login, password)
	took := m.limits.Now().Sub(began)
	c := Credential{
		Token:        grant.Token,
		RefreshToken: grant.RefreshToken,
		ExpiresAt:    grant.ExpiresAt,
		UserID:       grant.UserID,
	}
	name := login
	if m.loginIsSecret() {
		name = grant.Login
	}
	if err != nil {
		// ECGrid may have issued a token that no session can be made of.
		if !c.isZero() {
			m.revokeLater(Session{UserID: c.UserID, Login: name}, kept(c), nil)
		}
		return m.signInFailed(r.Context(), took, signInError("login", err))
	}
	var session Session
	// A browser that has gone will never send the cookie, and a session of it
	// would only keep a token alive.
	if err = r.Context().Err(); err == nil {
		session, err = m.begin(w, r, newSession{credential: c, login: name, took: took})
	}
	if err != nil {
		// Nobody will ever hold this token.
		m.revokeLater(Session{UserID: c.UserID, Login: name}, kept(c), nil)
		return m.signInFailed(r.Context(), took, err)
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
	// A token with a UserID is taken at the app's word: it had both from
	// ECGrid, and another call would be paid at each sign-in. A key says
	// nothing of whose it is, and one that was revoked would be found out only
	// by the first call with it.
	if c.APIKey != "" || c.UserID == 0 {
		identity, took, err := m.identify(r.Context(), c)
		n.took = took
		if err != nil {
			return m.signInFailed(r.Context(), n.took, signInError("session", err))
		}
		// LogoutEverywhere would reset one user and end the sessions of
		// another.
		if c.UserID != 0 && c.UserID != identity.UserID {
			return m.signInFailed(r.Context(), n.took, lifecycle.ErrOtherUser)
		}
		n.login = identity.Login
		n.credential.UserID = identity.UserID
		// Without an expiry nothing would ever refresh it.
		if c.Token != "" && c.ExpiresAt.IsZero() {
			n.credential.ExpiresAt = identity.ExpiresAt
		}
	}
	if c.APIKey != "" {
		n.credential.ExpiresAt = time.Time{} // a key has none of its own
	}
	session, err := m.begin(w, r, n)
	if err != nil {
		return m.signInFailed(r.Context(), n.took, err)
	}
	return session, nil
}

// identify asks ECGrid whose a credential is. The context of the call is over
// when it returns, so that events are told in one that no call writes to.
func (m *Middleware) identify(ctx context.Context, c Credential) (who ecgrid.Identity, took time.Duration, err error) {
	leave, err := m.grid.signIns.Enter(ctx, m.cfg.AuthTimeout/5)
	if err != nil {
		return ecgrid.Identity{}, 0, err
	}
	defer leave()
	ctx, cancel := context.WithTimeout(ctx, m.cfg.AuthTimeout)
	defer cancel()
	began := m.limits.Now()
	who, err = m.grid.Session(ctx, c.auth())
	return who, m.limits.Now().Sub(began), err
}

// signInFailed tells of a sign-in that came to nothing, for whoever counts
// guesses (ASVS 5.0, 16.3.1). The event names nobody: what was typed into the
// field of the login may be a password.
func (m *Middleware) signInFailed(ctx context.Context, took time.Duration, err error) (Session, error) {
	m.events.emit(ctx, Event{Kind: SignInFailed, Duration: took, Err: err})
	return Session{}, err
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
		web.NoStore(w)
		switch r.Method {
		case http.MethodGet, http.MethodHead:
			m.showSignIn(w, r)
		case http.MethodPost:
			if !m.refuseCrossOrigin(w, r) {
				m.signIn(w, r)
			}
		default:
			m.methodNotAllowed(w, r, "GET, HEAD, POST")
		}
	})
}

// signIn is the POST of LoginHandler, once it is known to come from this site.
func (m *Middleware) signIn(w http.ResponseWriter, r *http.Request) {
	// Anybody may send this before signing in, so it is the one body that has a
	// bound.
	if r.Body != nil { // as it is where a server has read the request
		r.Body = http.MaxBytesReader(w, r.Body, maxLoginBody)
	}
	if isJSON(r) {
		w.Header().Set("Accept-Post", "application/x-www-form-urlencoded, multipart/form-data")
		m.fail(w, r, http.StatusUnsupportedMediaType, errNotAForm)
		return
	}
	if err := parseBody(r); err != nil {
		status := http.StatusBadRequest
		if tooLong := new(http.MaxBytesError); errors.As(err, &tooLong) {
			status = http.StatusRequestEntityTooLarge
		}
		// The parser's own error is left out: it may quote the form, and so the
		// password.
		m.fail(w, r, status, fmt.Errorf("ecgridsession: the sign-in form cannot be read"))
		return
	}
	// From the body alone: a password in a URL ends in logs, histories and
	// Referer headers (ASVS 5.0, 14.2.1).
	form := signInForm{
		login: r.PostForm.Get("login"), password: r.PostForm.Get("password"), apiKey: r.PostForm.Get("api_key"),
	}
	if problem := form.problem(m.loginIsSecret()); problem != "" {
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
		m.answerFailedSignIn(w, r, form, err)
		return
	}
	if web.IsScript(r) {
		web.WriteJSON(w, http.StatusOK, m.sessionInfo(session))
		return
	}
	web.GoTo(w, r, m.cfg.returnTo(r))
}

var errNotAForm = errors.New("ecgridsession: the body is not a form")

// isJSON reports whether the body is what scripts send by habit. Any other body
// that is no form is left to the parser, which finds nothing in it.
func isJSON(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && (kind == "application/json" || strings.HasSuffix(kind, "+json"))
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

// The beginning of a session, for Login and Start alike: what ECGrid has
// accepted gets an id, a place in cookie or ledger, and takes the place of the
// session that the browser had. The order keeps a user who signs in again from
// being without any: the new session is complete before the old one ends.

// errInsecureElsewhere is of an app that left InsecureCookie on where others
// can listen.
var errInsecureElsewhere = errors.New(
	"ecgridsession: InsecureCookie is for loopback hosts only, and this connection came in elsewhere")

// newSession is a sign-in on its way to becoming a session. Its credential has
// been accepted by ECGrid, or by the app for a token whose user it knows.
type newSession struct {
	credential Credential
	login      string
	took       time.Duration // ECGrid's call; 0 where it was not asked
}

// begin makes a session of a credential that ECGrid has accepted: ledger, then
// cookie, then the end of the session that was there before.
func (m *Middleware) begin(w http.ResponseWriter, r *http.Request, n newSession) (Session, error) {
	web.NoStore(w)
	// A browser that hangs up must not leave half a session.
	ctx := context.WithoutCancel(r.Context())
	before := m.requests.For(r)

	snap, err := m.requests.Start(ctx, w, r, record.Record{
		APIKey:     n.credential.APIKey != "",
		UserID:     n.credential.UserID,
		Login:      n.login,
		Credential: kept(n.credential),
	})
	if err != nil {
		return Session{}, err
	}
	m.endBefore(ctx, before, n.credential)
	// From here on the rest of the request is the new user's.
	before.Replace(snap)

	session := m.events.describe(snap)
	m.events.emit(ctx, Event{Kind: SessionStarted, Session: session, Duration: n.took})
	return session, nil
}

// endBefore ends the session that a sign-in takes the place of, and has its
// token revoked. It is after the new session is kept: one that fails half-way
// leaves the old one as it was.
func (m *Middleware) endBefore(ctx context.Context, before *request.Session, next Credential) {
	old := before.Replaced()
	if old == nil {
		return
	}
	ended, err := m.end(ctx, old)
	if err != nil {
		m.events.LedgerUnavailable(ctx, old, err)
	}
	// Signed out in another tab meanwhile: whoever did it has the token to
	// revoke.
	if err == nil && !ended.Won {
		return
	}
	m.events.SessionEnded(ctx, old, 0, nil)
	// Start may be given the credential of the session that was there.
	revocable := ended.Newest
	if revocable.SameAs(kept(next)) {
		revocable = record.Credential{}
	}
	switch {
	case err != nil:
		m.revokeLater(m.events.describe(old), revocable, m.unended(old, kept(next)))
	case revocable != record.Credential{}:
		m.revokeLater(m.events.describe(old), revocable, nil)
	}
}
