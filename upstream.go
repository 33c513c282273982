package ecgridsession

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/ecgrid-contrib/ecgridsession/internal/ecgrid"
)

// grid is ECGrid, whose failures are those that callers may see. Its rooms keep
// sign-ins, which anyone may send, from taking the connections of refreshes and
// sign-outs. Those of package revoke are bounded there.
type grid struct {
	*ecgrid.Client
	signIns, refreshes ecgrid.Room
}

// Refresh implements [lifecycle.Upstream] and [revoke.Upstream].
func (g grid) Refresh(ctx context.Context, token, refreshToken string) (ecgrid.Grant, error) {
	// At most half of the time goes into waiting: a call that is cut short may
	// leave an unknown token behind.
	patience := time.Minute
	if deadline, ok := ctx.Deadline(); ok {
		patience = time.Until(deadline) / 2
	}
	leave, err := g.refreshes.Enter(ctx, patience)
	if err != nil {
		return ecgrid.Grant{}, upstreamError("refresh", err)
	}
	defer leave()
	grant, err := g.Client.Refresh(ctx, token, refreshToken)
	if err != nil {
		return grant, upstreamError("refresh", err)
	}
	return grant, nil
}

// Logout implements [revoke.Upstream].
func (g grid) Logout(ctx context.Context, auth ecgrid.Auth) error {
	if err := g.Client.Logout(ctx, auth); err != nil {
		return upstreamError("logout", err)
	}
	return nil
}

// upstreamError turns a failure of the client into what callers see: what was
// tried, why it failed in words of ours, and an *UpstreamError to look into. A
// context's end stays visible to errors.Is.
func upstreamError(call string, err error) error {
	var failure *ecgrid.Error
	if !errors.As(err, &failure) {
		return fmt.Errorf("ecgridsession: %s: %w", call, err)
	}
	return &failedCall{call, &UpstreamError{StatusCode: failure.Status, Code: failure.Code, RetryAfter: failure.RetryAfter}, failure}
}

// failedCall is one failure for two readers: callers find the UpstreamError in
// it, and our own packages the client's.
type failedCall struct {
	call    string
	public  *UpstreamError
	failure *ecgrid.Error
}

// Error implements error.
func (e *failedCall) Error() string {
	text := "ecgridsession: " + e.call + ": " + e.public.Error() + ": " + e.failure.Reason
	if cause := e.failure.Unwrap(); cause != nil {
		text += ": " + cause.Error()
	}
	return text
}

// Unwrap gives both.
func (e *failedCall) Unwrap() []error { return []error{e.public, e.failure} }

// errNotAccepted is of a login or key that ECGrid itself refused, which the user
// can mend, unlike an outage.
var errNotAccepted = errors.New("not accepted")

// signInError is upstreamError for a sign-in.
func signInError(call string, err error) error {
	var failure *ecgrid.Error
	if errors.As(err, &failure) && failure.Oversized() {
		return fmt.Errorf("%w: %w", ErrSessionTooLarge, upstreamError(call, err))
	}
	// Problem details have no code. A sign-in ends nothing, so here they may count as a refusal.
	refused := failure != nil && failure.Problem() && failure.Status < http.StatusInternalServerError &&
		failure.Status != http.StatusTooManyRequests
	if failure != nil && (refused || failure.Rejected() || !failure.Retryable() && failure.Code != "") {
		return fmt.Errorf("%w: %w", upstreamError(call, err), errNotAccepted)
	}
	return upstreamError(call, err)
}
