package ecgridsession

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"time"
)

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
	snap, err := m.sessionFor(r).open()
	if err != nil {
		return m.Logout(w, r)
	}
	// The reset's call is in this goroutine, and Close must wait for what it
	// may leave to the background.
	defer m.revoker.pending.hold()()
	ctx := context.WithoutCancel(r.Context())
	until := time.Now().Add(m.cfg.LogoutTimeout)
	// The cut-off first: a sign-out that stops half-way must leave nothing open.
	_, raised, cutErr := m.raiseCutOff(ctx, &snap.keys, snap.record.CutOff)
	if cutErr == nil && !raised {
		return m.Logout(w, r) // another request has just done all of it
	}
	if cutErr != nil {
		m.emit(ctx, Event{Kind: LedgerUnavailable, Session: m.describe(snap), Err: cutErr})
	}
	// Before the logout, which ends the credential that it takes.
	began := m.now()
	resetErr := m.resetUser(ctx, until, snap)
	if resetErr != nil {
		// It is not tried again: that would end a sign-in that came meanwhile.
		m.emit(ctx, Event{Kind: RevocationPending, Session: m.describe(snap)})
		m.emit(ctx, Event{
			Kind: RevocationGaveUp, Session: m.describe(snap), Outcome: LogoutRefused, Duration: m.now().Sub(began), Err: resetErr,
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
	if err == nil && cutErr != nil {
		err = fmt.Errorf("%w: %w", ErrLogoutUnconfirmed, cutErr)
	}
	return judge(outcome), err
}

// resetUser has ECGrid end all tokens of the session's user. With the
// credential as Wrap found it: a refresh would take longer than the user waits,
// and a due token is still a good one.
func (m *Middleware) resetUser(ctx context.Context, until time.Time, snap *snapshot) error {
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	c := credentialOf(snap.record.Credential, snap.record.UserID)
	_, err := m.revoker.inRequest(ctx, func() (LogoutOutcome, error) {
		if err := m.ecgrid.ResetUser(ctx, c.auth(), c.UserID); err != nil {
			return LogoutRefused, upstreamError("reset", err)
		}
		return LogoutConfirmed, nil
	})
	return err
}

// LogoutEverywhereHandler is [Middleware.LogoutHandler] for
// [Middleware.LogoutEverywhere]: the same answers, but that GET always shows the
// page, which says what the button does: no link ends the sessions of every
// device.
func (m *Middleware) LogoutEverywhereHandler() http.Handler {
	return m.logoutHandler(pageSignOutEverywhere, m.LogoutEverywhere, func(*http.Request) bool { return false })
}

// cutOffAtSignIn is the number that a new session must have so as not to count
// as one from before the user last signed out everywhere. Where the number
// cannot be read, which ends every session, it is replaced.
func (m *Middleware) cutOffAtSignIn(ctx context.Context, keys *sessionKeys) (uint64, error) {
	number, _, err := m.lookCutOff(ctx, keys)
	if errors.Is(err, errEntryUnreadable) {
		number, _, err = m.raiseCutOff(ctx, keys, 0)
	}
	return number, err
}

// lookCutOff gives what is stored with the error of a number that cannot be
// read, so that it can be replaced.
func (m *Middleware) lookCutOff(ctx context.Context, keys *sessionKeys) (number uint64, stored []byte, err error) {
	values, err := m.ledger.load(ctx, keys.user())
	if err != nil {
		return 0, nil, err
	}
	number, err = m.ledger.openCutOff(keys.user(), values[0])
	return number, values[0], err
}

// raiseCutOff ends every session of the user that has started so far, on any
// replica and by any clock: the new number is higher than that of each of them,
// own among them. Where it is higher than own already, nothing is raised.
func (m *Middleware) raiseCutOff(ctx context.Context, keys *sessionKeys, own uint64) (next uint64, raised bool, err error) {
	for range maxSwaps {
		number, stored, err := m.lookCutOff(ctx, keys)
		switch {
		case errors.Is(err, errEntryUnreadable): // replaced below
		case err != nil:
			return 0, false, err
		case number > own:
			return number, false, nil
		}
		// Counting would do, were no ledger ever to lose its data. The time of
		// day is what makes a number after such a loss higher than those of the
		// sessions from before; the terms beside it are for clocks that go
		// back.
		next := max(uint64(m.now().UnixMilli()), number+1, own+1)
		// Until the last of them would have ended by itself.
		ttl := m.cfg.Lifetime + clockSlack
		plain := binary.BigEndian.AppendUint64(nil, next)
		_, swapped, err := m.ledger.swap(ctx, keys.user(), stored, plain, ttl)
		if err != nil {
			return 0, false, err
		}
		if swapped {
			// Another user's streams are under another key; those of other
			// replicas find out by their own look.
			m.streams.end(keys.user())
			return next, true, nil
		}
	}
	return 0, false, fmt.Errorf("%w: the cut-off kept changing", ErrLedgerUnavailable)
}
