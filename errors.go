package ecgridsession

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/ecgrid-contrib/ecgridsession/internal/origin"
	"github.com/ecgrid-contrib/ecgridsession/internal/session"
	"github.com/ecgrid-contrib/ecgridsession/internal/web"
)

// Errors that a caller may want to tell apart with [errors.Is]. None of them,
// and no error that wraps one, holds a token, a key, a cookie value or anything
// that ECGrid sent.
var (
	// ErrNoSession: the request carries no session that is still open.
	ErrNoSession = session.ErrNone // "ecgridsession: no session"

	// ErrSessionEnded: the session ended while the request, or the stream, was
	// under way. errors.Is(ErrSessionEnded, ErrNoSession) holds, so a caller
	// who does not care when it ended tests for ErrNoSession alone.
	ErrSessionEnded = session.ErrEnded // "ecgridsession: the session has ended: ecgridsession: no session"

	// ErrSessionTooLarge: the credential is longer than 16 KiB, or the session
	// fits neither the cookie nor the ledger. [CookieStore.Save] returns it for
	// a name and value of more than 4096 bytes together, which browsers drop
	// without a word (RFC 6265bis, 5.6).
	ErrSessionTooLarge = session.ErrTooLarge // "ecgridsession: session too large"

	// ErrLedgerUnavailable: what knows whether the session is still open, the
	// Ledger or a Config.Store with a backend of its own, could not be asked.
	// It says nothing about the session: the cookie is kept.
	ErrLedgerUnavailable = session.ErrUnavailable // "ecgridsession: ledger unavailable"

	// ErrCrossOrigin: a page of another site asked for sign-in or sign-out.
	ErrCrossOrigin = errors.New("ecgridsession: cross-origin request refused")

	// ErrOtherOrigin: an outbound request is not for Config.Upstream, so it was
	// not sent.
	ErrOtherOrigin = origin.ErrOther // "ecgridsession: request is not for the upstream origin"

	// ErrConflictingCredential: the caller set Authorization or X-API-Key on an
	// outbound request itself, so it was not sent.
	ErrConflictingCredential = errors.New("ecgridsession: request already carries a credential")

	// ErrLogoutUnconfirmed: neither the ledger nor ECGrid confirmed the end of
	// the session. The browser's cookie is deleted, but a copy of it may still
	// work.
	ErrLogoutUnconfirmed = errors.New("ecgridsession: sign-out not confirmed")
)

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

// failureWords looks at err before the status: an unconfirmed sign-out is a 503
// as well, whose words would say that nobody was signed out.
func failureWords(status int, err error) web.Wording {
	switch {
	case errors.Is(err, ErrLogoutUnconfirmed):
		return web.Wording{Code: "sign-out not confirmed", Title: "Sign-out not confirmed", Text: "You are signed out in this browser. It could not be confirmed that your session has ended everywhere: a copy of it may still be open. This is being tried again, and there is nothing for you to do."}
	case errors.Is(err, ErrCrossOrigin):
		return web.Wording{Code: "cross-origin request refused", Title: "Request refused", Text: "The request came from another site. Nothing was changed."}
	case status == http.StatusUnauthorized:
		return web.Wording{Code: "not signed in", Title: "Not signed in", Text: "Please sign in and try again."}
	case status == http.StatusUnsupportedMediaType:
		return web.Wording{Code: "send login and password, or api_key, as application/x-www-form-urlencoded or multipart/form-data", Title: "Not a form", Text: "Sign-in takes a form."}
	case status == http.StatusMethodNotAllowed:
		return web.Wording{Code: "method not allowed", Title: "Method not allowed", Text: "This address cannot be used in that way. Nothing was changed."}
	case status == http.StatusRequestEntityTooLarge, errors.Is(err, ErrSessionTooLarge):
		return web.Wording{Code: "too large", Title: "Too large", Text: "What was sent is longer than anything that is expected here."}
	case status == http.StatusBadRequest:
		return web.Wording{Code: "bad request", Title: "Bad request", Text: "What was sent could not be understood."}
	case status == http.StatusServiceUnavailable:
		return web.Wording{Code: "temporarily unavailable", Title: "Just a moment", Text: "A service that is needed here does not answer. You have not been signed out. Please try again in a moment.", Again: true}
	default:
		return web.Wording{Code: "internal error", Title: "Something went wrong", Text: "It has been noted. Please try again."}
	}
}
