package request

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/ecgrid-contrib/ecgridsession/internal/cookie"
	"github.com/ecgrid-contrib/ecgridsession/internal/lifecycle"
	"github.com/ecgrid-contrib/ecgridsession/internal/record"
	"github.com/ecgrid-contrib/ecgridsession/internal/session"
)

// Opener opens the sessions of requests.
type Opener struct {
	Carrier    cookie.Carrier
	CookieName string
	Ledger     *session.Ledger
	Limits     *session.Limits
	Refresher  *lifecycle.Refresher
	Logger     *slog.Logger
	Events     Events

	// CredentialInLedger: no cookie is to hold a credential.
	CredentialInLedger bool

	// Unshared: the ledger belongs to this process, and ends with it.
	Unshared bool
	warned   sync.Once // that a credential was not there
	foreign  sync.Once // that another app may share the ledger

	// Orphaned takes the credential of a session that is over.
	Orphaned func(*session.Snapshot, record.Credential)
}

// Events are told what became of sessions; snap is nil where it is not known
// whose.
type Events interface {
	CookieRejected(ctx context.Context)
	SessionEnded(ctx context.Context, snap *session.Snapshot, took time.Duration, err error)
	LedgerUnavailable(ctx context.Context, snap *session.Snapshot, err error)
}
