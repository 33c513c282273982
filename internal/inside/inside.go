// Package inside lets the tests of this repository reach what a Middleware is
// made of: its clock, its cookie and its ledger.
package inside

import (
	"context"

	"github.com/ecgrid-contrib/ecgridsession/internal/cookie"
	"github.com/ecgrid-contrib/ecgridsession/internal/request"
	"github.com/ecgrid-contrib/ecgridsession/internal/session"
)

// Parts are those of one Middleware.
type Parts struct {
	Limits   *session.Limits
	Carrier  cookie.Carrier
	Ledger   *session.Ledger
	Requests *request.Opener
	Upstream string // as cookies and ledger entries are bound to it
	Emit     func(ctx context.Context, event any)
	Config   any // an ecgridsession.Config, as it is in use
}

// Of gives the parts of an *ecgridsession.Middleware. The root package sets it.
var Of func(middleware any) Parts
