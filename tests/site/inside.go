package site

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

type mw = *ecgridsession.Middleware

// SetNow gives m another clock. It is not for use beside requests.
func SetNow(m mw, now func() time.Time) { inside.Of(m).Limits.Now = now }

// SealRecord gives the cookie value by which m carries rec.
func SealRecord(m mw, rec record.Record) string { return SealPlain(m, rec.Append(nil)) }

// SealPlain seals anything as m seals a record.
func SealPlain(m mw, plain []byte) string {
	return inside.Of(m).Carrier.(interface{ SealPlain([]byte) string }).SealPlain(plain)
}

// OpenCookie gives the record in the request's cookie.
func OpenCookie(m mw, r *http.Request) (record.Record, bool) {
	rec, how := inside.Of(m).Carrier.Read(r)
	return rec, how == cookie.Current || how == cookie.Outdated
}

// EndInLedger writes what a sign-out writes for a session.
func EndInLedger(m mw, ctx context.Context, id [16]byte, ttl time.Duration) (bool, error) {
	l := inside.Of(m).Ledger
	keys := l.Keys(id, 0)
	_, swapped, err := l.SwapEntry(ctx, &keys, session.Entry{}, session.Entry{State: session.Ended}, ttl)
	return swapped, err
}

// InUse is the Config that m goes by.
func InUse(m mw) ecgridsession.Config { return inside.Of(m).Config.(ecgridsession.Config) }
