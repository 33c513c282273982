package ecgridsession

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"

	"github.com/ecgrid-contrib/ecgridsession/internal/ecgrid"
)

// LogoutEverywhere ends all sessions of the request's user: here by the cut-off
// number in the ledger, at ECGrid by resetting the user, and the request's own
// as [Middleware.Logout] does. Where ECGrid refuses the reset, for lack of
// authLevel, only the request's own token is ended there, and the outcome is
// [LogoutRefused]; no session of this app opens all the same.
//
// A request without an open session ends no other: it is signed out alone. The
// only error is [ErrLogoutUnconfirmed].
func (m *Middleware) LogoutEverywhere(w http.ResponseWriter, r *http.Request) (LogoutOutcome, error) {
	snap, err := m.sessionFor(r).open()
	if err != nil {
		return m.Logout(w, r)
	}
	// The cut-off first: a sign-out that stops half-way must leave nothing open.
	_, cutErr := m.raiseCutOff(r.Context(), &snap.keys, snap.record.CutOff)
	outcome, err := m.logout(w, r, m.revoker.revokeEverywhere)
	if cutErr != nil {
		m.emit(r.Context(), Event{Kind: LedgerUnavailable, Session: m.describe(snap), Err: cutErr})
		if err == nil {
			err = fmt.Errorf("%w: %w", ErrLogoutUnconfirmed, cutErr)
		}
	}
	return outcome, err
}

// LogoutEverywhereHandler is [Middleware.LogoutHandler] for
// [Middleware.LogoutEverywhere]: the same answers, and a page that says what the
// button does.
func (m *Middleware) LogoutEverywhereHandler() http.Handler {
	return m.logoutHandler(pageSignOutEverywhere, m.LogoutEverywhere)
}

// revokeEverywhere ends all tokens of the user, then c, which a reset does not
// end where it is an API key's.
func (v *revoker) revokeEverywhere(ctx context.Context, c Credential) (LogoutOutcome, error) {
	resetErr := v.m.ecgrid.ResetUser(ctx, c.auth(), c.UserID)
	var failure *ecgrid.Error
	if resetErr != nil && (!errors.As(resetErr, &failure) || failure.Retryable()) {
		// Not the logout yet: the credential is needed for the next try.
		return LogoutPending, upstreamError("reset", resetErr)
	}
	outcome, err := v.revoke(ctx, c)
	switch {
	case outcome == LogoutPending:
		return outcome, err
	case resetErr != nil:
		return LogoutRefused, upstreamError("reset", resetErr)
	case err == nil:
		return LogoutConfirmed, nil // the reset has ended the token already
	default:
		return outcome, err
	}
}

// cutOffAtSignIn is the number that a new session must have so as not to count
// as one from before the user last signed out everywhere. Where the number
// cannot be read, which ends every session, it is replaced.
func (m *Middleware) cutOffAtSignIn(ctx context.Context, keys *sessionKeys) (uint64, error) {
	number, _, err := m.lookCutOff(ctx, keys)
	if errors.Is(err, errEntryUnreadable) {
		return m.raiseCutOff(ctx, keys, 0)
	}
	return number, err
}

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
// own among them.
func (m *Middleware) raiseCutOff(ctx context.Context, keys *sessionKeys, own uint64) (uint64, error) {
	for range maxSwaps {
		number, stored, err := m.lookCutOff(ctx, keys)
		if err != nil && !errors.Is(err, errEntryUnreadable) {
			return 0, err
		}
		next := max(uint64(m.now().UnixMilli()), number+1, own+1)
		// Until the last of them would have ended by itself.
		ttl := m.cfg.Lifetime + clockSlack
		plain := binary.BigEndian.AppendUint64(nil, next)
		_, swapped, err := m.ledger.swap(ctx, keys.user(), stored, plain, ttl)
		if err != nil {
			return 0, err
		}
		if swapped {
			m.streams.end(keys.user())
			return next, nil
		}
	}
	return 0, fmt.Errorf("%w: the cut-off kept changing", ErrLedgerUnavailable)
}
