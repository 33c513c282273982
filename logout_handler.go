package ecgridsession

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/ecgrid-contrib/ecgridsession/internal/localpath"
)

// Sign-out, the first promise: after it no copy of the cookie opens the
// session, whatever ECGrid, the browser or the network do. All of it hangs on
// an order, in logout below: ledger, streams, cookie, ECGrid, and only then the
// event. The ledger is first because it is the only step that ends the session
// for everybody; ECGrid is after the cookie, since it may take all of
// LogoutTimeout; what ECGrid leaves open goes to the background (revoke.go).

// LogoutOutcome is what became of the session at ECGrid. The user is signed out
// here whichever it is.
type LogoutOutcome int

// The outcomes of a sign-out.
const (
	// LogoutNone: there was no session, or another request had just ended it.
	LogoutNone LogoutOutcome = iota
	// LogoutConfirmed: ECGrid ended it. An API key itself lives on.
	LogoutConfirmed
	// LogoutAlreadyInvalid: ECGrid no longer knew the token, which is as good.
	LogoutAlreadyInvalid
	// LogoutPending: ECGrid was unreachable, slow, or answered 429 or 5xx, or a
	// refresh was under way: seen to in the background.
	LogoutPending
	// LogoutRefused: ECGrid answered something that a retry cannot mend.
	LogoutRefused
)

// String gives the outcome as a lower-case word.
func (o LogoutOutcome) String() string {
	switch o {
	case LogoutNone:
		return "none"
	case LogoutConfirmed:
		return "confirmed"
	case LogoutAlreadyInvalid:
		return "already-invalid"
	case LogoutPending:
		return "pending"
	case LogoutRefused:
		return "refused"
	default:
		return fmt.Sprintf("outcome(%d)", int(o))
	}
}

// Logout ends the request's session: in the ledger, in the browser, then at
// ECGrid, within Config.LogoutTimeout and even if the browser hangs up. It sets
// headers and leaves the answer to the caller, who has also checked that the
// request may sign the user out; [Middleware.LogoutHandler] does both.
//
// The user is signed out whatever ECGrid does. The only error is
// [ErrLogoutUnconfirmed], with the cookie deleted all the same. Of several
// requests that end one session at once, one gets its outcome and the others
// [LogoutNone]. Works inside and outside of [Middleware.Wrap]; outside, it knows the
// request's cookie, but not of a Login in the same request.
func (m *Middleware) Logout(w http.ResponseWriter, r *http.Request) (LogoutOutcome, error) {
	return m.logout(w, r, time.Time{}, func(o LogoutOutcome) LogoutOutcome { return o })
}

// logout is Logout that waits for ECGrid until then, or for LogoutTimeout. What
// became of the token there, judge turns into the outcome.
func (m *Middleware) logout(
	w http.ResponseWriter, r *http.Request, until time.Time, judge func(LogoutOutcome) LogoutOutcome,
) (LogoutOutcome, error) {
	noStore(w)
	// The browser may hang up; the session ends all the same.
	ctx := context.WithoutCancel(r.Context())
	// Until it is known whether anything is left for the background, Close waits.
	defer m.revoker.pending.hold()()
	s := m.sessionFor(r)
	snap := s.endable()
	if snap == nil {
		m.deleteCookie(w, r)
		if err := s.unavailable(); err != nil {
			return LogoutNone, fmt.Errorf("%w: %w", ErrLogoutUnconfirmed, err)
		}
		return LogoutNone, nil
	}

	// First the ledger: from here on no copy of the cookie opens the session.
	// What only this process knows of the session is to be revoked as well
	// (TestSigningOutRevokesTheTokenThatOnlyThisProcessKnows).
	snap = m.refresher.unpublished.newestOf(snap)
	ended, ledgerErr := m.end(ctx, snap)
	m.streams.end(snap.keys.session()) // also where the ledger is down
	s.close()
	m.deleteCookie(w, r)
	// Of several that sign out at once one has the token to revoke and the
	// event to emit; to the others it has happened already.
	if ledgerErr == nil && !ended.won {
		return LogoutNone, nil
	}

	event := Event{Kind: LoggedOut, Session: m.describe(snap), Err: ledgerErr}
	// newest, and not what the cookie held: that one may have been replaced,
	// and ECGrid's "already invalid" would be no proof of anything.
	job := revocation{session: event.Session, credential: credentialOf(ended.newest, event.Session.UserID)}
	switch {
	case ended.refreshing, job.credential.isZero():
		// Its holder revokes what the refresh brings; waiting for that would
		// keep the user here. The token so far may be all there is, if the
		// holder dies.
		event.Outcome = LogoutPending
	default:
		began := m.now()
		var err error
		event.Outcome, err = m.revokeInTime(ctx, until, job.credential)
		event.Duration = m.now().Sub(began)
		job.failedWith(err)
		event.Err = errors.Join(ledgerErr, err)
	}

	var err error
	if ledgerErr != nil {
		job.unended = snap
		// ECGrid's word is enough for a bearer token: it is dead. A key lives
		// on, and an unknown token may only be an older one of this session.
		if event.Outcome != LogoutConfirmed || snap.record.APIKey {
			err = fmt.Errorf("%w: %w", ErrLogoutUnconfirmed, ledgerErr)
		}
	}
	switch {
	// A refusal is not handed on: no retry mends it.
	case event.Outcome == LogoutPending:
		m.revoker.later(job)
	case ledgerErr != nil:
		job.credential = Credential{} // ECGrid is done with it; the ledger is not
		m.revoker.later(job)
	}
	// Here, so that the event says what the caller is told, and after later,
	// which goes by what ECGrid said of this one token.
	event.Outcome = judge(event.Outcome)
	m.emit(ctx, event)
	return event.Outcome, err
}

// revokeInTime calls ECGrid within what a user is made to wait. until is set by
// LogoutEverywhere, whose reset comes out of the same time.
func (m *Middleware) revokeInTime(ctx context.Context, until time.Time, c Credential) (LogoutOutcome, error) {
	if until.IsZero() {
		until = time.Now().Add(m.cfg.LogoutTimeout)
	}
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	return m.revoker.inRequest(ctx, func() (LogoutOutcome, error) { return m.revoker.revoke(ctx, c) })
}

// LogoutHandler is the sign-out route. POST signs out and answers 303 to
// Config.AfterLogout, 204 to a script, and 204 with HX-Redirect to htmx. GET
// signs out only where Fetch Metadata proves a click on this site; else it
// shows a page with a button and changes nothing, as HEAD does. A request from
// another site is refused with 403, any other method with 405, and neither
// touches the cookie. Works inside and outside of [Middleware.Wrap].
//
// Mount it at Config.LogoutURL: a GET at any other path never signs out, since
// return_to could lead there.
func (m *Middleware) LogoutHandler() http.Handler {
	return m.logoutHandler(pageSignOut, m.Logout, func(r *http.Request) bool {
		return isClick(r) && localpath.SamePath(r.RequestURI, m.cfg.LogoutURL)
	})
}

// logoutHandler is the route for either kind of sign-out. It decides who may
// ask, in that order: method, origin, click; only then is anything ended.
func (m *Middleware) logoutHandler(
	page string,
	logout func(http.ResponseWriter, *http.Request) (LogoutOutcome, error),
	clicked func(*http.Request) bool, // a GET that signs out
) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		noStore(w)
		// Nobody reads the body. HTTP/1 would, before the answer, and wait for
		// one that stands still. Where this is not supported it is not needed.
		// HTTP/2 has no such wait. Nor is a MaxBytesReader of use: a body that
		// nobody reads needs no bound.
		_ = http.NewResponseController(w).EnableFullDuplex()
		switch r.Method {
		case http.MethodPost:
			if m.refuseCrossOrigin(w, r) {
				return
			}
		case http.MethodGet, http.MethodHead:
			// A link, an image or a prefetch of another site must change
			// nothing, and CrossOriginProtection lets every GET pass (ASVS 5.0,
			// 3.5.3).
			if !clicked(r) {
				m.renderPage(w, r, http.StatusOK, page, pageData{})
				return
			}
		default:
			m.methodNotAllowed(w, r, "GET, HEAD, POST")
			return
		}
		if _, err := logout(w, r); err != nil {
			retryLater(w)
			m.fail(w, r, http.StatusServiceUnavailable, err)
			return
		}
		goTo(w, r, m.cfg.AfterLogout)
	})
}
