package ecgrid

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The fixed words of Error.Reason.
const (
	// They tell an operator where to look, and a user nothing; none is ever put together from what came over the
	// network.
	reasonCancelled    = "cancelled"
	reasonTimedOut     = "timed out"
	reasonRefusedConn  = "connection refused"
	reasonReset        = "connection reset"
	reasonUnreachable  = "host unreachable"
	reasonNoName       = "name not found"
	reasonNoLookup     = "name not looked up"
	reasonCertificate  = "certificate not trusted"
	reasonTLS          = "no secure connection"
	reasonCutShort     = "answer cut short"
	reasonNoAnswer     = "no usable answer"
	reasonRedirect     = "redirect not followed"
	reasonStatus       = "unexpected status"
	reasonTooLarge     = "answer too large"
	reasonNoEnvelope   = "answer is not an envelope"
	reasonIncomplete   = "answer lacks what was asked for"
	reasonSameToken    = "answer repeats the old token"
	reasonOversized    = "token too large"
	reasonNoUser       = "token accepted, but its user not found"
	reasonOtherUser    = "token belongs to another user than the answer names"
	reasonBusy         = "not sent: too many calls of its kind are under way"
	reasonProblem      = "refused with problem details"
	reasonUnsuccessful = "refused by ECGrid"
	reasonUnsent       = "not sent: arguments unusable"
)

// Error is every failure of a call. Its text and its fields hold nothing of what ECGrid sent, except a status and a code
// from the documented list. An Error is never changed once it is returned.
//
// Callers ask it three questions, of which at most one has a yes: is this ECGrid's verdict on the credential
// (Rejected), is a retry of use (Retryable), or is it an answer that is final? All that the library does about a failed
// call, from ending a session to trying again for minutes, hangs on these.
type Error struct {
	// Status is the HTTP status; 0: no answer, or none that arrived whole.
	Status int
	// Code is a documented error code (the Code constants), or "": never what was sent raw.
	Code string
	// RetryAfter is how long ECGrid asked to wait: over 0, at most MaxRetryAfter; 0: not said, or unusable.
	RetryAfter time.Duration
	// Reason is fixed words of this package.
	Reason string

	cause error // a context's error or nil: anything else may quote what the peer sent
	// enveloped: ECGrid itself said no, by an envelope with success false. It tells a refusal from a gateway's page.
	enveloped bool
	// problem: the answer was problem details, which some of the vendor's pages have in the place of the envelope.
	problem bool
	// denied: a 401 said that the token is invalid, in a challenge of its header.
	denied bool
	// login: the call was a login.
	login bool
	// unsent: the call was never made, and cannot be.
	unsent bool
	// oversized: a login brought a token over the limit.
	oversized bool
}

// Error gives one line of fixed words, the status and the code.
func (e *Error) Error() string {
	// Nothing is formatted with %v: no value of the peer's has a way in.
	var b strings.Builder
	b.WriteString("ecgrid: ")
	if e.Status != 0 {
		b.WriteString("status ")
		b.WriteString(strconv.Itoa(e.Status))
		if e.Code != "" {
			b.WriteString(" ")
			b.WriteString(e.Code)
		}
		b.WriteString(": ")
	}
	b.WriteString(e.Reason)
	return b.String()
}

// Unwrap gives context.Canceled or context.DeadlineExceeded if the caller's context ended the call, else nil. A caller
// can so tell its own deadline from ECGrid's silence.
func (e *Error) Unwrap() error { return e.cause }

// Rejected reports whether this is ECGrid's verdict on the credential: a 401 whose envelope says InvalidSession or
// InvalidAPIKey, or whose challenge says invalid_token (RFC 6750, section 3.1). Any other 401 may come from a gateway and
// proves nothing.
//
// At login every 401 with an envelope or problem details counts, whatever its code: the call carries no session and no key, so the documented
// codes of a 401 do not fit, and the one for a wrong password is not documented. Taking it for an outage would tell
// somebody who mistyped to come back later. It is what ends sessions, so it errs towards no: an outage that looks like
// a refusal would sign everybody out.
func (e *Error) Rejected() bool {
	return e.Status == http.StatusUnauthorized && (deniesCredential(e.Code) || e.denied || e.login && (e.enveloped || e.problem))
}

// Problem reports whether the answer was problem details (RFC 9457). They carry no code, so they end no session. A
// sign-in ends nothing: there they are a refusal.
func (e *Error) Problem() bool { return e.problem }

// Oversized reports whether a login was accepted and brought a token that is over the limit of [ValidToken].
func (e *Error) Oversized() bool { return e.oversized }

// Retryable reports whether the same call may succeed later: there was no answer, or one that proves nothing (a 2xx that
// is no proper answer, a 401 without a documented code), or a 429 or 5xx. All else is an answer that a retry cannot mend:
// another 4xx, a redirect, a verdict, a 200 whose envelope says no.
//
// Whether the call took effect is another question: after a timeout it may have.
func (e *Error) Retryable() bool {
	switch {
	// Before the status: a login that brought too large a token was a 200.
	case e.unsent || e.oversized || e.Rejected():
		return false
	// RFC 9110, section 15.6, and RFC 6585, section 4.
	case e.Status == 0 || e.Status == http.StatusTooManyRequests || e.Status >= 500:
		return true
	case e.Status == http.StatusUnauthorized:
		// An enveloped 401 with another documented code is final, one without a code may be a gateway's.
		return e.Code == ""
	case e.Status >= 200 && e.Status < 300:
		// A page or half an envelope with a 200 is a proxy that answers in ECGrid's place.
		return !e.enveloped
	}
	return false
}

// Final reports whether ECGrid itself said no for a reason that no retry changes, and that is no verdict on the
// credential: a 400, 403 or 404 with an envelope or problem details. Without one it may be a gateway's answer, which is
// neither final nor a verdict.
func (e *Error) Final() bool {
	return (e.enveloped || e.problem) && !e.Retryable() && !e.Rejected()
}

// unsent is the failure of a call whose arguments no request can carry. It has no status and is not retryable, by which
// it differs from a call that nobody answered.
func unsent() *Error { return &Error{Reason: reasonUnsent, unsent: true} }

// unanswered classifies what kept an answer from arriving whole. err itself is dropped: net/http quotes bytes of a
// malformed response, and a proxy's error may name its password. Nothing is known after it: the call may have taken
// effect.
func unanswered(ctx context.Context, err error) *Error {
	// The context first: whatever the network said after that is only its echo. The clock is asked too, because a dial gives
	// up at the context's deadline by its own timer, which may go off before the context's.
	cause := ctx.Err()
	if cause == nil && isTimeout(err) {
		if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
			cause = context.DeadlineExceeded
		}
	}
	switch {
	// The two are told apart because they are for different people: a deadline is Config's, a cancellation the
	// browser's or the app's.
	case errors.Is(cause, context.DeadlineExceeded):
		return &Error{Reason: reasonTimedOut, cause: context.DeadlineExceeded}
	case cause != nil:
		return &Error{Reason: reasonCancelled, cause: context.Canceled}
	}
	return &Error{Reason: reasonFor(err)}
}

// isTimeout asks by the interface: a dial, a TLS handshake and a read each have an error of their own.
func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

// reasonFor goes by types and never by text, which is the system's, in its language, and may quote. The order matters
// where one error wraps another: a lookup that timed out is a timeout.
func reasonFor(err error) string {
	var lookup *net.DNSError
	switch {
	case isTimeout(err):
		return reasonTimedOut
	case errors.As(err, &lookup) && lookup.IsNotFound:
		return reasonNoName
	case lookup != nil:
		return reasonNoLookup
	case isUntrusted(err):
		return reasonCertificate
	case isTLS(err):
		return reasonTLS
	case errors.Is(err, syscall.ECONNREFUSED):
		return reasonRefusedConn
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.ECONNABORTED), errors.Is(err, syscall.EPIPE):
		return reasonReset
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return reasonUnreachable
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return reasonCutShort
	}
	return reasonNoAnswer
}

// isUntrusted is apart from isTLS since an operator mends it elsewhere: by a root, a name or a clock, where the other
// is a port that speaks no TLS or a version that is too old.
func isUntrusted(err error) bool {
	var (
		verification *tls.CertificateVerificationError
		authority    x509.UnknownAuthorityError
		hostname     x509.HostnameError
		invalid      x509.CertificateInvalidError
		roots        x509.SystemRootsError
	)
	return errors.As(err, &verification) || errors.As(err, &authority) || errors.As(err, &hostname) ||
		errors.As(err, &invalid) || errors.As(err, &roots)
}

func isTLS(err error) bool {
	var (
		alert  tls.AlertError
		record tls.RecordHeaderError
	)
	return errors.As(err, &alert) || errors.As(err, &record) || errors.Is(err, http.ErrSchemeMismatch)
}
