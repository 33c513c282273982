package ecgridsession

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/ecgrid-contrib/ecgridsession/internal/ecgrid"
)

// Errors that a caller may want to tell apart with [errors.Is]. None of them,
// and no error that wraps one, holds a token, a key, a cookie value or anything
// that ECGrid sent.
var (
	// ErrNoSession: the request carries no session that is still open.
	ErrNoSession = errors.New("ecgridsession: no session")

	// ErrSessionEnded: the session ended while the request, or the stream, was
	// under way. errors.Is(ErrSessionEnded, ErrNoSession) holds, so a caller
	// who does not care when it ended tests for ErrNoSession alone.
	ErrSessionEnded = fmt.Errorf("ecgridsession: the session has ended: %w", ErrNoSession)

	// ErrSessionTooLarge: the credential is longer than 16 KiB, or the session
	// fits neither the cookie nor the ledger. [CookieStore.Save] returns it for
	// a name and value of more than 4096 bytes together, which browsers drop
	// without a word (RFC 6265bis, 5.6).
	ErrSessionTooLarge = errors.New("ecgridsession: session too large")

	// ErrLedgerUnavailable: what knows whether the session is still open, the
	// Ledger or a Config.Store with a backend of its own, could not be asked.
	// It says nothing about the session: the cookie is kept.
	ErrLedgerUnavailable = errors.New("ecgridsession: ledger unavailable")

	// ErrCrossOrigin: a page of another site asked for sign-in or sign-out.
	ErrCrossOrigin = errors.New("ecgridsession: cross-origin request refused")

	// ErrOtherOrigin: an outbound request is not for Config.Upstream, so it was
	// not sent.
	ErrOtherOrigin = errors.New("ecgridsession: request is not for the upstream origin")

	// ErrConflictingCredential: the caller set Authorization or X-API-Key on an
	// outbound request itself, so it was not sent.
	ErrConflictingCredential = errors.New("ecgridsession: request already carries a credential")

	// ErrLogoutUnconfirmed: neither the ledger nor ECGrid confirmed the end of
	// the session. The browser's cookie is deleted, but a copy of it may still
	// work.
	ErrLogoutUnconfirmed = errors.New("ecgridsession: sign-out not confirmed")
)

// errStoreUnavailable is of a Config.Store whose backend does not answer.
var errStoreUnavailable = fmt.Errorf("%w: the session store failed", ErrLedgerUnavailable)

// errNotAccepted is of a login or key that ECGrid itself refused, which the user
// can mend, unlike an outage.
var errNotAccepted = errors.New("not accepted")

// signInError is upstreamError for a sign-in.
func signInError(call string, err error) error {
	var failure *ecgrid.Error
	if errors.As(err, &failure) && failure.Oversized() {
		return fmt.Errorf("%w: %w", ErrSessionTooLarge, upstreamError(call, err))
	}
	if failure != nil && (failure.Rejected() || !failure.Retryable() && failure.Code != "") {
		return fmt.Errorf("%w: %w", upstreamError(call, err), errNotAccepted)
	}
	return upstreamError(call, err)
}

// UpstreamError tells how a call to ECGrid's auth endpoints failed. It holds
// nothing of what ECGrid sent but numbers and a code from its documented list.
// Get at it with [errors.As].
type UpstreamError struct {
	// StatusCode is the HTTP status, or 0 where there was no complete answer.
	StatusCode int
	// Code is ECGrid's errorCode where it is a documented one, else "".
	Code string
	// RetryAfter is how long ECGrid asked to wait: 0 where it did not, and
	// never over an hour.
	RetryAfter time.Duration
}

// Error implements error.
func (e *UpstreamError) Error() string {
	switch {
	case e.StatusCode == 0:
		return "ecgrid gave no answer"
	case e.Code == "":
		return "ecgrid answered " + strconv.Itoa(e.StatusCode)
	default:
		return "ecgrid answered " + strconv.Itoa(e.StatusCode) + " " + e.Code
	}
}

// upstreamError turns a failure of the client into what callers see: what was
// tried, why it failed in words of ours, and an *UpstreamError to look into. A
// context's end stays visible to errors.Is.
func upstreamError(call string, err error) error {
	var failure *ecgrid.Error
	if !errors.As(err, &failure) {
		return fmt.Errorf("ecgridsession: %s: %w", call, err)
	}
	public := &UpstreamError{StatusCode: failure.Status, Code: failure.Code, RetryAfter: failure.RetryAfter}
	if cause := failure.Unwrap(); cause != nil {
		return fmt.Errorf("ecgridsession: %s: %w: %s: %w", call, public, failure.Reason, cause)
	}
	return fmt.Errorf("ecgridsession: %s: %w: %s", call, public, failure.Reason)
}
