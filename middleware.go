package ecgridsession

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/ecgrid-contrib/ecgridsession/internal/cookie"
	"github.com/ecgrid-contrib/ecgridsession/internal/ecgrid"
	"github.com/ecgrid-contrib/ecgridsession/internal/lifecycle"
	"github.com/ecgrid-contrib/ecgridsession/internal/localpath"
	"github.com/ecgrid-contrib/ecgridsession/internal/origin"
	"github.com/ecgrid-contrib/ecgridsession/internal/record"
	"github.com/ecgrid-contrib/ecgridsession/internal/request"
	"github.com/ecgrid-contrib/ecgridsession/internal/revoke"
	"github.com/ecgrid-contrib/ecgridsession/internal/session"
	"github.com/ecgrid-contrib/ecgridsession/internal/web"
)

// Middleware keeps ECGrid's credential in a session and hands it to outbound
// calls. It is made by [New], immutable after, and safe for concurrent use. An
// app has one for each upstream.
type Middleware struct {
	cfg      Config
	upstream origin.Origin
	gate     *http.CrossOriginProtection
	answers  *web.Answers
	events   *observer
	grid     grid

	limits    *session.Limits
	ledger    *session.Ledger
	requests  *request.Opener
	refresher *lifecycle.Refresher
	revoker   *revoke.Revoker

	circle sync.Once // a mistake that Require has named in the log
}

// New checks cfg and returns a Middleware for it, or every fault of cfg at
// once, joined by [errors.Join]. No fault's text holds a key. Nothing is
// started and nobody is called: a ledger or an ECGrid that is down keeps no app
// from starting.
func New(cfg Config) (*Middleware, error) {
	cfg = cfg.withDefaults()
	upstream, gate, err := cfg.check()
	if err != nil {
		return nil, err
	}
	sealed, err := cookie.NewSealed(cfg.Keys, cfg.CookieName, upstream.String())
	if err != nil {
		return nil, fmt.Errorf("ecgridsession: Config.Keys: %w", err)
	}
	var backend session.Backend = cfg.Ledger
	timeout := cfg.LedgerTimeout
	l, inMemory := cfg.Ledger.(*MemoryLedger)
	if inMemory {
		backend, timeout = l.table, 0 // nothing else is known not to block
	}
	ledger, err := session.NewLedger(backend, cfg.Keys, upstream.String(), timeout)
	if err != nil {
		return nil, fmt.Errorf("ecgridsession: Config.Keys: %w", err)
	}
	// No later dump of the Middleware has them.
	cfg.Keys = nil // the rings have what they need

	// Never http.DefaultTransport itself: an app that wraps it to log its calls
	// would log passwords.
	base := cfg.BaseTransport
	if base == nil {
		base = ecgrid.PrivateTransport()
	}
	base = ecgrid.Contained(base, cfg.Logger)
	m := &Middleware{
		cfg: cfg, upstream: upstream, gate: gate, ledger: ledger,
		answers: &web.Answers{OnError: cfg.ErrorHandler, Logger: cfg.Logger, Home: cfg.AfterLogin, Out: cfg.AfterLogout, In: cfg.LoginURL, MayLink: localpath.Valid},
		events:  &observer{logger: cfg.Logger, onEvent: cfg.OnEvent, idle: cfg.IdleTimeout, lifetime: cfg.Lifetime},
		grid: grid{
			Client:  ecgrid.New(upstream.Base, base, cfg.LoginField),
			signIns: ecgrid.NewRoom(ecgrid.MaxSignIns), refreshes: ecgrid.NewRoom(ecgrid.MaxRefreshes),
		},
		limits: &session.Limits{Idle: cfg.IdleTimeout, Lifetime: cfg.Lifetime, Now: time.Now},
	}
	// What of a session is over is ended at ECGrid in the background.
	orphaned := func(snap *session.Snapshot, c record.Credential) { m.revokeLater(m.events.describe(snap), c, nil) }
	m.revoker = revoke.New(revoke.Dependencies{
		Upstream: grid{Client: m.grid.Client}, Now: func() time.Time { return m.limits.Now() }, Timeout: cfg.AuthTimeout,
	})
	m.refresher = lifecycle.New(lifecycle.Dependencies{
		Ledger: ledger, Limits: m.limits, Upstream: m.grid, Orphaned: orphaned, Events: m.events,
		Before: cfg.RefreshBefore, AuthTimeout: cfg.AuthTimeout,
	})
	m.requests = &request.Opener{
		Carrier: cfg.carrier(sealed), CookieName: cfg.CookieName, Ledger: ledger, Limits: m.limits,
		Refresher: m.refresher, Logger: cfg.Logger, Events: m.events,
		CredentialInLedger: cfg.CredentialInLedger, Unshared: inMemory, Orphaned: orphaned,
	}
	return m, nil
}

// Wrap opens the session of each request and hands it, in the request's
// context, to next. It never answers by itself and never waits for ECGrid.
//
// A request that brings a cookie of ours gets a ResponseWriter of ours, which
// sets the session's cookie again where that is due, at the moment when next
// writes the header of the answer. It can do what the server's can and no more;
// [http.ResponseController] and type assertions work as before. Any other
// request keeps the server's own. Handlers that the app wraps twice are wrapped
// once.
func (m *Middleware) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A second look could come to another answer within one request, and
		// asks the ledger twice. In goes by the Middleware, so one for
		// another upstream inside of this one still opens its own.
		if m.requests.In(r.Context()) != nil {
			next.ServeHTTP(w, r)
			return
		}
		s := m.requests.Begin(w, r)
		defer handBack(r, s.Request())
		next.ServeHTTP(s.Writer(), s.Request())
		s.Finish()
	})
}

// handBack gives the caller's request what handlers behind Wrap left in theirs.
// The server removes the temporary files of the form that it finds there, after
// a panic, too, that something around Wrap recovers from. A tracer around Wrap
// names its span by the route's pattern. Nothing else is written, because others
// may be reading the request.
func handBack(caller, opened *http.Request) {
	if caller.MultipartForm != opened.MultipartForm {
		caller.MultipartForm = opened.MultipartForm
	}
	if caller.Pattern != opened.Pattern {
		caller.Pattern = opened.Pattern
	}
}

// Require lets only signed-in requests through to next, wrapping it where the
// app has not. A token that is due is refreshed first, whatever the method. A
// browser that navigates is sent to Config.LoginURL with the page it wanted as
// return_to, and so is a script that accepts text/html by name, such as Turbo.
// Anything else is answered 401, in JSON except for a browser's form, and 503
// with Retry-After if the ledger cannot say whether the session is open.
//
// htmx gets HX-Redirect with its 401, which leads to sign-in and back to the page
// that it is on. htmx 1 and 2 ignore that header when they restore a page of their
// history. Set htmx.config.refreshOnHistoryMiss there.
//
// Whatever it guards is sent with Cache-Control: no-store, whatever next sets,
// so that Back shows nothing after sign-out.
//
// The sign-in page must not be behind it: a request for Config.LoginURL that is
// not signed in is answered 401, and the log names the mistake.
func (m *Middleware) Require(next http.Handler) http.Handler {
	return m.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := m.requests.In(r.Context())
		web.NoStore(w)
		s.KeepPrivate()
		// An image needs no token, and signing out never waits for one.
		if !web.IsSubresource(r) && !localpath.SamePath(web.Target(r), m.cfg.LogoutURL) {
			s.Freshen(r.Context(), m.limits.NowMillis())
		}
		_, err := s.Open()
		over := s.Over()
		switch {
		case err == nil:
			next.ServeHTTP(w, r)
		// Before the redirect: an outage of the ledger must not send everybody
		// to sign in again.
		case errors.Is(err, ErrLedgerUnavailable):
			web.RetryLater(w)
			m.fail(w, r, http.StatusServiceUnavailable, err)
		// It would be sent here again and again.
		case localpath.SamePath(web.Target(r), m.cfg.LoginURL):
			m.circle.Do(func() {
				m.cfg.Logger.ErrorContext(r.Context(), "ecgridsession: a request for Config.LoginURL came to Require, so no user can sign in. "+
					"Mount LoginHandler there, outside of Require", "LoginURL", m.cfg.LoginURL)
			})
			m.fail(w, r, http.StatusUnauthorized, err)
		case web.IsNavigation(r):
			if s.Dead() {
				m.requests.DeleteCookie(w, r)
			}
			http.Redirect(w, r, m.cfg.loginURLFor(web.Target(r), over), http.StatusSeeOther)
		default:
			if web.IsHTMX(r) {
				w.Header().Set("HX-Redirect", m.cfg.loginURLFor(web.Came(r), over))
			}
			m.fail(w, r, http.StatusUnauthorized, err)
		}
	}))
}

// Session returns what may be known of the request's session; false where it
// has none that is open, or the ledger could not say.
func (m *Middleware) Session(ctx context.Context) (Session, bool) {
	s := m.requests.In(ctx)
	if s == nil {
		return Session{}, false
	}
	snap := s.Newest()
	// One load: Logout may run in another goroutine of the request.
	if snap == nil {
		return Session{}, false
	}
	return m.events.describeUse(s, snap), true
}

// Credential returns the credential of the request's session, or the one that
// ctx got from [Middleware.WithCredential]. A token that is due is
// refreshed first: for a second at most while it is good, otherwise for
// Config.AuthTimeout, and never longer than ctx. If the user has signed out while the request
// was under way, it is [ErrSessionEnded]: at once after a sign-out in this
// process, and for an API key within 2 seconds after one on another replica. Most
// callers want [Middleware.Transport], which keeps the credential from other
// hosts. Its errors are [ErrNoSession], [ErrSessionEnded],
// [ErrLedgerUnavailable] and that of a done ctx.
func (m *Middleware) Credential(ctx context.Context) (Credential, error) {
	c, _, err := m.credential(ctx)
	return c, err
}

// credential is Credential with the session that it belongs to, or nil for one
// from WithCredential.
func (m *Middleware) credential(ctx context.Context) (Credential, *session.Snapshot, error) {
	// The key is that of the session, which WithCredential so hides: work in
	// the background for one user must not fall back to another's.
	if given, ok := m.requests.Given(ctx).(givenCredential); ok {
		if given().isZero() {
			return Credential{}, nil, ErrNoSession
		}
		return given(), nil, nil
	}
	s := m.requests.In(ctx)
	if s == nil {
		return Credential{}, nil, m.requests.Why(ctx)
	}
	// By the time of now, not of the request: a long one outlives its token.
	now := m.limits.NowMillis()
	if err := s.Confirm(ctx, now); err != nil {
		return Credential{}, nil, err
	}
	s.Freshen(ctx, now)
	snap, err := s.Open()
	if err != nil {
		return Credential{}, nil, err
	}
	return credentialOf(snap.Record.Credential, snap.Record.UserID), snap, nil
}

// WithCredential returns a context whose outbound calls carry c, for background
// work and tests. There is no session in it: nothing refreshes c or ends it,
// and [Middleware.Session] gives none.
func (m *Middleware) WithCredential(ctx context.Context, c Credential) context.Context {
	return m.requests.Give(ctx, givenCredential(func() Credential { return c }))
}

// givenCredential is what WithCredential puts into a context: a function, since
// fmt prints the fields of any other value in a context without asking it.
type givenCredential func() Credential

// Close waits for the refreshes and revocations under way, giving those that
// wait for another try one last try at once. Call it after the server has shut
// down. Where ctx ends first, what is left is given up, and the error says how
// much that is and wraps ctx's. After it nothing is refreshed or tried again.
func (m *Middleware) Close(ctx context.Context) error {
	refreshes := m.refresher.Close(ctx) // first: one that fails may leave a token to revoke
	revocations := m.revoker.Close(ctx)
	if refreshes+revocations > 0 {
		return fmt.Errorf("ecgridsession: given up: %d refreshes, %d revocations: %w", refreshes, revocations, ctx.Err())
	}
	return nil
}

// Format writes the upstream alone for every verb: some of them would print what
// a store or a ledger holds, passwords among it.
func (m *Middleware) Format(f fmt.State, _ rune) {
	io.WriteString(f, "ecgridsession.Middleware("+m.upstream.String()+")")
}

// fail answers with Config.ErrorHandler, or with a page or JSON.
func (m *Middleware) fail(w http.ResponseWriter, r *http.Request, status int, err error) {
	m.answers.Fail(w, r, status, err, failureWords(status, err))
}

// EndWithSession returns a context for a response that outlives most requests,
// such as server-sent events or a WebSocket. It is cancelled with the cause
// [ErrSessionEnded] when the session ends: at once by a sign-out in this
// process, within 2 seconds by one on another replica, and at the session's
// absolute end. Idleness alone does not end it, nor does a ledger that is down.
// Where ctx has no session it is cancelled from the start, with [ErrNoSession]
// or [ErrSessionEnded]. The caller calls cancel when the response is done, or
// ends ctx.
func (m *Middleware) EndWithSession(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	s := m.requests.In(ctx)
	// The cancel of a context that is done already has nothing left to do.
	if s == nil {
		cancel(m.requests.Why(ctx))
		return ctx, func() {}
	}
	snap, err := s.Open()
	if err != nil {
		cancel(err)
		return ctx, func() {}
	}
	// It ends with ctx, which the caller's cancel, the request's end and the
	// session's each bring about: none is left behind by a stream that the app
	// forgets.
	m.ledger.Watch(ctx, snap, m.limits, func() { cancel(ErrSessionEnded) })
	return ctx, func() { cancel(context.Canceled) }
}

// end ends a session in the ledger.
func (m *Middleware) end(ctx context.Context, snap *session.Snapshot) (lifecycle.Ending, error) {
	return lifecycle.End(ctx, m.ledger, m.limits, snap)
}

// unended ends a session whose end the ledger has not confirmed. A credential
// that a new session has taken over is not revoked with the old one.
func (m *Middleware) unended(snap *session.Snapshot, takenOver record.Credential) revoke.Unended {
	return func(ctx context.Context) (record.Credential, bool, error) {
		ended, err := m.end(ctx, snap)
		if ended.Newest.SameAs(takenOver) {
			ended.Newest = record.Credential{}
		}
		return ended.Newest, ended.Won, err
	}
}

// revokeLater hands a credential that no session uses any more to the
// background, and with unended the session that the ledger has not ended.
func (m *Middleware) revokeLater(whose Session, c record.Credential, unended revoke.Unended) {
	m.revoker.Later(revoke.Job{Credential: c, Unended: unended, Told: told{m.events, whose}})
}
