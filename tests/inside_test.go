package tests

import (
	"context"
	"net/http"
	"time"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/internal/cookie"
	"github.com/ecgrid-contrib/ecgridsession/internal/inside"
	"github.com/ecgrid-contrib/ecgridsession/internal/record"
	"github.com/ecgrid-contrib/ecgridsession/internal/session"
)

// What tests need and callers must not have.

type mw = *ecgridsession.Middleware

// setNow gives m another clock. It is not for use beside requests.
func setNow(m mw, now func() time.Time) { inside.Of(m).Limits.Now = now }

// sealRecord gives the cookie value by which m carries rec.
func sealRecord(m mw, rec record.Record) string { return sealPlain(m, rec.Append(nil)) }

// sealPlain seals anything as m seals a record.
func sealPlain(m mw, plain []byte) string {
	return inside.Of(m).Carrier.(interface{ SealPlain([]byte) string }).SealPlain(plain)
}

// openCookie gives the record in the request's cookie.
func openCookie(m mw, r *http.Request) (record.Record, bool) {
	rec, how := inside.Of(m).Carrier.Read(r)
	return rec, how == cookie.Current || how == cookie.Outdated
}

// endInLedger writes what a sign-out writes for a session.
func endInLedger(m mw, ctx context.Context, id [16]byte, ttl time.Duration) (bool, error) {
	l := inside.Of(m).Ledger
	keys := l.Keys(id, 0)
	_, swapped, err := l.SwapEntry(ctx, &keys, session.Entry{}, session.Entry{State: session.Ended}, ttl)
	return swapped, err
}

// inUse is the Config that m goes by.
func inUse(m mw) ecgridsession.Config { return inside.Of(m).Config.(ecgridsession.Config) }
