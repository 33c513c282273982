package ecgridsession

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/gorilla/sessions"

	"github.com/ecgrid-contrib/ecgridsession/internal/ecgrid"
)

// Middleware keeps ECGrid's credential in a session and hands it to outbound
// calls. It is made by [New], immutable after, and safe for concurrent use. An
// app has one for each upstream.
type Middleware struct {
	cfg      Config
	upstream origin
	carrier  carrier
	ledger   sealedLedger
	gate     *http.CrossOriginProtection
	ecgrid   *ecgrid.Client
	now      func() time.Time

	streams   streams
	refresher *refresher
	revoker   *revoker
}

// New checks cfg and returns a Middleware for it, or every fault of cfg at once,
// joined by [errors.Join]. No fault's text holds a key.
func New(cfg Config) (*Middleware, error) {
	cfg = cfg.withDefaults()
	upstream, gate, err := cfg.check()
	if err != nil {
		return nil, err
	}
	sealed, err := newSealedRecord(cfg.Keys, cfg.CookieName, upstream)
	if err != nil {
		return nil, fmt.Errorf("ecgridsession: Config.Keys: %w", err)
	}
	ledger, err := newSealedLedger(cfg, upstream)
	if err != nil {
		return nil, fmt.Errorf("ecgridsession: Config.Keys: %w", err)
	}
	cfg.Keys = nil // the rings have what they need

	options := sessions.Options{
		Path:     "/",
		Secure:   !cfg.InsecureCookie, // ASVS 5.0, 3.3.1
		HttpOnly: true,                // ASVS 5.0, 3.3.4
		SameSite: cfg.SameSite,        // ASVS 5.0, 3.3.2
	}
	deletion := deletionCookie(cfg.CookieName, &options)
	m := &Middleware{cfg: cfg, upstream: upstream, ledger: ledger, gate: gate, now: time.Now}
	if cfg.Store == nil {
		m.carrier = &cookieCarrier{sealed: sealed, name: cfg.CookieName, options: options, deletion: deletion}
	} else {
		m.carrier = &storeCarrier{
			sealed: sealed, store: cfg.Store, name: cfg.CookieName, options: options, deletion: deletion, lifetime: cfg.Lifetime,
		}
	}
	base := cfg.BaseTransport
	if base == nil {
		base = ecgrid.PrivateTransport()
	}
	m.ecgrid = ecgrid.New(upstream.base, base, cfg.LoginField)
	m.refresher = newRefresher(m)
	m.revoker = newRevoker(m)
	return m, nil
}

// Wrap opens the session of each request and hands it, in the request's
// context, to next. It never answers by itself and passes the ResponseWriter on
// as it is. It sets the session's cookie anew where that is due, before next
// runs. Handlers that the app wraps twice are wrapped once.
func (m *Middleware) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if m.sessionIn(r.Context()) != nil {
			next.ServeHTTP(w, r)
			return
		}
		opened := m.withSession(w, r)
		defer returnForm(r, opened)
		next.ServeHTTP(w, opened)
	})
}

// returnForm gives the caller's request the form that was parsed behind Wrap: the
// server removes the temporary files of the one that it finds there, after a
// panic, too, that something around Wrap recovers from. It writes nothing
// otherwise, since others may be reading the request.
func returnForm(caller, opened *http.Request) {
	if caller.MultipartForm != opened.MultipartForm {
		caller.MultipartForm = opened.MultipartForm
	}
}

// withSession opens the session of r, sets its cookie anew where that is due,
// and returns r with the session in its context.
func (m *Middleware) withSession(w http.ResponseWriter, r *http.Request) *http.Request {
	s := m.open(r)
	switch {
	case s.standing == standingOver:
		m.endOutlived(s)
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		// Other methods refresh when the token is asked for, so that signing
		// out never waits for it.
		s.freshen(r.Context(), s.now)
	}
	m.settleCookie(w, r, s)
	*s.request = *r.WithContext(s)
	return s.request
}

// Require lets only signed-in requests through to next, wrapping it where the
// app has not. A browser that navigates is sent to Config.LoginURL with the
// page it wanted as return_to; anything else is answered 401, in JSON but for a
// browser's form, and 503 with Retry-After where the ledger cannot say whether
// the session is open.
// Whatever it guards is sent with Cache-Control: no-store, so that Back shows
// nothing after sign-out.
func (m *Middleware) Require(next http.Handler) http.Handler {
	return m.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		noStore(w)
		_, err := m.sessionIn(r.Context()).open()
		switch {
		case err == nil:
			next.ServeHTTP(w, r)
		case errors.Is(err, ErrLedgerUnavailable):
			retryLater(w)
			m.fail(w, r, http.StatusServiceUnavailable, err)
		case isNavigation(r):
			http.Redirect(w, r, m.loginURLFor(r), http.StatusSeeOther)
		default:
			m.fail(w, r, http.StatusUnauthorized, err)
		}
	}))
}

// Session returns what may be known of the request's session; false where it
// has none that is open, or the ledger could not say.
func (m *Middleware) Session(ctx context.Context) (Session, bool) {
	s := m.sessionIn(ctx)
	if s == nil {
		return Session{}, false
	}
	snap := s.newest.Load()
	if snap == nil {
		return Session{}, false
	}
	return m.describe(snap), true
}

// Credential returns the credential of the request's session, or the one that
// ctx got from [Middleware.WithCredential]. Where the token is due it is
// refreshed first, which ctx bounds. Most callers want [Middleware.Transport],
// which keeps it from other hosts. Its errors are [ErrNoSession],
// [ErrSessionEnded], [ErrLedgerUnavailable] and that of a done ctx.
func (m *Middleware) Credential(ctx context.Context) (Credential, error) {
	if given, ok := ctx.Value(contextKey{m}).(givenCredential); ok {
		if given().isZero() {
			return Credential{}, ErrNoSession
		}
		return given(), nil
	}
	s := m.sessionIn(ctx)
	if s == nil {
		return Credential{}, ErrNoSession
	}
	s.freshen(ctx, m.now().UnixMilli())
	snap, err := s.open()
	if err != nil {
		return Credential{}, err
	}
	return credentialOf(snap.record.Credential, snap.record.UserID), nil
}

// WithCredential returns a context whose outbound calls carry c, for background
// work and tests. There is no session in it: nothing refreshes c or ends it,
// and [Middleware.Session] gives none.
func (m *Middleware) WithCredential(ctx context.Context, c Credential) context.Context {
	return context.WithValue(ctx, contextKey{m}, givenCredential(func() Credential { return c }))
}

// givenCredential is what WithCredential puts into a context: a function, since
// fmt prints the fields of any other value in a context without asking it.
type givenCredential func() Credential

// Close waits for the refreshes and revocations under way, giving those that
// wait for another try one last try at once. Call it after the server has shut
// down. Where ctx ends first, what is left is given up, and the error says how
// much that is and wraps ctx's. After it nothing is refreshed or tried again.
func (m *Middleware) Close(ctx context.Context) error {
	refreshes := m.refresher.close(ctx) // first: one that fails may leave a token to revoke
	revocations := m.revoker.close(ctx)
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
