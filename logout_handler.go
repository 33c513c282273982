package ecgridsession

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/ecgrid-contrib/ecgridsession/internal/lifecycle"
	"github.com/ecgrid-contrib/ecgridsession/internal/localpath"
	"github.com/ecgrid-contrib/ecgridsession/internal/record"
	"github.com/ecgrid-contrib/ecgridsession/internal/revoke"
	"github.com/ecgrid-contrib/ecgridsession/internal/session"
	"github.com/ecgrid-contrib/ecgridsession/internal/web"
)

// Sign-out, the first promise: after it no copy of the cookie opens the
// session, whatever ECGrid, the browser or the network do. All of it hangs on
// an order, in logout below: ledger, streams, cookie, ECGrid, and only then the
// event. The ledger is first because it is the only step that ends the session
// for everybody; ECGrid is after the cookie, since it may take all of
// LogoutTimeout; what ECGrid leaves open goes to the background (package revoke).

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
	web.NoStore(w)
	// The browser may hang up; the session ends all the same.
	ctx := context.WithoutCancel(r.Context())
	// Until it is known whether anything is left for the background, Close waits.
	defer m.revoker.Hold()()
	s := m.requests.For(r)
	all := s.Endables(r)
	if len(all) == 0 {
		m.requests.DeleteCookie(w, r)
		if err := s.Unavailable(); err != nil {
			return LogoutNone, fmt.Errorf("%w: %w", ErrLogoutUnconfirmed, err)
		}
		return LogoutNone, nil
	}

	// First the ledger: from here on no copy of the cookie opens the session.
	endings := make([]ending, len(all))
	for i, snap := range all {
		// What only this process knows of the session is to be revoked as well
		// (TestSigningOutRevokesTheTokenThatOnlyThisProcessKnows).
		snap = m.refresher.Newest(snap)
		ended, err := m.end(ctx, snap)
		m.ledger.EndStreams(snap) // also where the ledger is down
		m.refresher.Forget(snap)
		endings[i] = ending{snap, ended, err}
	}
	s.Close()
	m.requests.DeleteCookie(w, r)
	if until.IsZero() {
		until = time.Now().Add(m.cfg.LogoutTimeout)
	}
	outcome, err := LogoutNone, error(nil)
	for _, e := range endings {
		next, nextErr := m.revokeEnded(ctx, e, until, judge)
		outcome, err = max(outcome, next), errors.Join(err, nextErr)
	}
	return outcome, err
}

// ending is a session that a sign-out has ended in the ledger, or could not.
type ending struct {
	snap      *session.Snapshot
	ended     lifecycle.Ending
	ledgerErr error
}

// revokeEnded ends the credential of a session at ECGrid and reports the
// sign-out.
func (m *Middleware) revokeEnded(
	ctx context.Context, e ending, until time.Time, judge func(LogoutOutcome) LogoutOutcome,
) (LogoutOutcome, error) {
	snap, ended, ledgerErr := e.snap, e.ended, e.ledgerErr
	// Of several that sign out at once one has the token to revoke and the
	// event to emit; to the others it has happened already.
	if ledgerErr == nil && !ended.Won {
		return LogoutNone, nil
	}
	// The ledger had lost the session with its credential: it was over before.
	if ledgerErr == nil && !ended.Refreshing && (ended.Newest == record.Credential{}) {
		return LogoutNone, nil
	}

	event := Event{Kind: LoggedOut, Session: m.events.describe(snap), Err: ledgerErr}
	// newest, and not what the cookie held: that one may have been replaced,
	// and ECGrid's "already invalid" would be no proof of anything.
	job := revoke.Job{Credential: ended.Newest, Told: told{m.events, event.Session}}
	switch {
	case ended.Refreshing, job.Credential == record.Credential{}, m.revoker.NeedsRefresh(job.Credential):
		// Its holder revokes what the refresh brings; waiting for that would
		// keep the user here. The token so far may be all there is, if the
		// holder dies. The same goes for an expired token whose refresh token
		// lives on: the background refreshes it and ends what comes.
		event.Outcome = LogoutPending
	default:
		began := m.limits.Now()
		var err error
		var outcome revoke.Outcome
		outcome, err = m.revokeInTime(ctx, until, job.Credential)
		event.Outcome = LogoutOutcome(outcome)
		// The refresh token of a token that ECGrid no longer knows may live on,
		// unless a reset has ended everything of the user.
		if outcome == revoke.AlreadyInvalid && job.Credential.RefreshToken != "" && judge(event.Outcome) != LogoutConfirmed {
			event.Outcome, job.Dead = LogoutPending, true
		}
		event.Duration = m.limits.Now().Sub(began)
		job.FailedWith(err)
		event.Err = errors.Join(ledgerErr, err)
	}

	var err error
	if ledgerErr != nil {
		job.Unended = m.unended(snap, record.Credential{})
		// ECGrid's word is enough for a bearer token: it is dead. A key lives
		// on, and an unknown token may only be an older one of this session.
		if event.Outcome != LogoutConfirmed || snap.Record.APIKey {
			err = fmt.Errorf("%w: %w", ErrLogoutUnconfirmed, ledgerErr)
		}
	}
	switch {
	// A refusal is not handed on: no retry mends it.
	case event.Outcome == LogoutPending:
		m.revoker.Later(job)
	case ledgerErr != nil:
		job.Credential = record.Credential{} // ECGrid is done with it; the ledger is not
		m.revoker.Later(job)
	}
	// Here, so that the event says what the caller is told, and after later,
	// which goes by what ECGrid said of this one token.
	event.Outcome = judge(event.Outcome)
	m.events.emit(ctx, event)
	return event.Outcome, err
}

// revokeInTime calls ECGrid within what a user is made to wait. The reset of
// LogoutEverywhere comes out of the same time.
func (m *Middleware) revokeInTime(ctx context.Context, until time.Time, c record.Credential) (revoke.Outcome, error) {
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	return m.revoker.InRequest(ctx, func() (revoke.Outcome, error) { return m.revoker.Revoke(ctx, c) })
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
	return m.logoutHandler(web.SignOut, m.Logout, func(r *http.Request) bool {
		return web.IsClick(r) && localpath.SamePath(web.Target(r), m.cfg.LogoutURL)
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
		web.NoStore(w)
		web.LeaveBody(w, r)
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
				s := m.requests.For(r)
				// If the ledger cannot say, the person may well be signed in.
				signedIn := s.Newest() != nil || s.Unavailable() != nil
				m.answers.Page(w, r, http.StatusOK, page, web.PageData{SignedIn: signedIn, In: m.cfg.LoginURL})
				return
			}
		default:
			m.methodNotAllowed(w, r, "GET, HEAD, POST")
			return
		}
		outcome, err := logout(w, r)
		switch {
		case err != nil:
			web.RetryLater(w)
			m.fail(w, r, http.StatusServiceUnavailable, err)
		// A redirect would promise more than ECGrid has done.
		case outcome == LogoutRefused && page == web.SignOutEverywhere && web.ShowsPages(r):
			m.answers.Page(w, r, http.StatusOK, web.SignedOutHere, web.PageData{Back: m.cfg.AfterLogout})
		default:
			web.GoTo(w, r, m.cfg.AfterLogout)
		}
	})
}

// Sign-out of all of a user's sessions. What a single session has in its entry,
// a user has in a number, the cut-off: each session remembers the number that
// stood there when it began, and has ended once the ledger's is higher. So one
// swap ends them all, without a list of them that would have to be kept, and
// without a clock: a session that begins in the same millisecond takes the new
// number and lives.

// LogoutEverywhere ends all sessions of the request's user: here by the cut-off
// number in the ledger, at ECGrid by resetting the user, and the request's own
// as [Middleware.Logout] does, all of it within Config.LogoutTimeout. Where
// ECGrid refuses the reset, for lack of authLevel or since the token has
// expired, or does not answer, only the request's own token is ended there, and
// the outcome is [LogoutRefused] at best; no session of this app opens all the
// same. A failed reset is an [Event] of RevocationGaveUp and is not tried again:
// it would end a sign-in that came meanwhile.
//
// A request without an open session ends no other: it is signed out alone. The
// only error is [ErrLogoutUnconfirmed].
func (m *Middleware) LogoutEverywhere(w http.ResponseWriter, r *http.Request) (LogoutOutcome, error) {
	snap, err := m.requests.For(r).Open()
	if err != nil {
		return m.Logout(w, r)
	}
	// The reset's call is in this goroutine, and Close must wait for what it
	// may leave to the background.
	defer m.revoker.Hold()()
	ctx := context.WithoutCancel(r.Context())
	until := time.Now().Add(m.cfg.LogoutTimeout)
	// The cut-off first: a sign-out that stops half-way must leave nothing open.
	_, raised, cutErr := m.ledger.RaiseCutOff(ctx, &snap.Keys, m.limits, snap.Record.CutOff)
	if cutErr == nil && !raised {
		return m.Logout(w, r) // another request has just done all of it
	}
	if cutErr != nil {
		m.events.LedgerUnavailable(ctx, snap, cutErr)
	}
	// Before the logout, which ends the credential that it takes.
	began := m.limits.Now()
	resetErr := m.resetUser(ctx, until, snap)
	if resetErr != nil {
		// It is not tried again: that would end a sign-in that came meanwhile.
		m.events.emit(ctx, Event{Kind: RevocationPending, Session: m.events.describe(snap)})
		m.events.emit(ctx, Event{
			Kind: RevocationGaveUp, Session: m.events.describe(snap), Outcome: LogoutRefused, Duration: m.limits.Now().Sub(began), Err: resetErr,
		})
	}
	// The reset may have ended the request's own token before its logout asks,
	// and ECGrid's "already invalid" is then the confirmation. A failed reset
	// makes the best of them a refusal: other tokens live on.
	judge := func(o LogoutOutcome) LogoutOutcome {
		switch {
		case o == LogoutPending:
			return o
		case resetErr != nil:
			return LogoutRefused
		default:
			return LogoutConfirmed // the reset has ended the token already
		}
	}
	outcome, err := m.logout(w, r, until, judge)
	if cutErr != nil {
		m.revokeLater(m.events.describe(snap), record.Credential{}, m.uncut(snap))
		if err == nil {
			err = fmt.Errorf("%w: %w", ErrLogoutUnconfirmed, cutErr)
		}
	}
	return judge(outcome), err
}

// uncut raises the cut-off that the ledger did not take. A session that begins
// until then ends with the others: what was asked for is kept.
func (m *Middleware) uncut(snap *session.Snapshot) revoke.Unended {
	return func(ctx context.Context) (record.Credential, bool, error) {
		_, _, err := m.ledger.RaiseCutOff(ctx, &snap.Keys, m.limits, snap.Record.CutOff)
		return record.Credential{}, false, err
	}
}

// resetUser has ECGrid end all tokens of the session's user. With the
// credential as Wrap found it: a refresh would take longer than the user waits,
// and a due token is still a good one.
func (m *Middleware) resetUser(ctx context.Context, until time.Time, snap *session.Snapshot) error {
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	c := credentialOf(snap.Record.Credential, snap.Record.UserID)
	_, err := m.revoker.InRequest(ctx, func() (revoke.Outcome, error) {
		if err := m.grid.ResetUser(ctx, c.auth(), c.UserID); err != nil {
			return revoke.Refused, upstreamError("reset", err)
		}
		return revoke.Confirmed, nil
	})
	return err
}

// EndSessionsOf ends all sessions of a user in this app, on every replica, as an
// administrator does who locks an account (ASVS 5.0, 7.4.5). userID is
// [Session.UserID]. Whoever calls it has checked that the caller may do that. A
// session that starts later is not affected: stop the user's sign-ins first.
//
// Streams of [Middleware.EndWithSession] end at once in this process and within 2
// seconds on others. The tokens at ECGrid stay alive until they expire, because
// the app does not hold them. To end them too, the administrator resets the user
// there (POST /v2/users/reset/{id}).
//
// The only error for the id of a user is [ErrLedgerUnavailable]. The sessions may
// not have ended then, and the call is to be repeated. It is safe for concurrent
// use, and ctx need not be a request's.
func (m *Middleware) EndSessionsOf(ctx context.Context, userID int64) error {
	if userID <= 0 {
		return errNotAUser
	}
	return m.ledger.EndAllOf(ctx, userID, m.limits)
}

var errNotAUser = errors.New("ecgridsession: not the id of a user")

// LogoutEverywhereHandler is [Middleware.LogoutHandler] for
// [Middleware.LogoutEverywhere]. It answers in the same way, with two differences.
// GET always shows the page, which says what the button does, so no link ends the
// sessions of every device. If ECGrid has refused its part, a browser gets a page
// that says so, with status 200.
func (m *Middleware) LogoutEverywhereHandler() http.Handler {
	return m.logoutHandler(web.SignOutEverywhere, m.LogoutEverywhere, func(*http.Request) bool { return false })
}
