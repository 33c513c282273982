package ecgridsession

import (
	"context"
	"net/http"
	"time"

	"github.com/ecgrid-contrib/ecgridsession/internal/record"
)

// What tests need and callers must not have: the site's keys, its clock, and a
// look at what New made of a Config.

// SetNow gives m another clock. It is not for use beside requests.
func SetNow(m *Middleware, now func() time.Time) { m.now = now }

// SealRecord gives the cookie value by which m carries rec.
func (m *Middleware) SealRecord(rec record.Record) string { return m.SealPlain(rec.Append(nil)) }

// SealPlain seals anything as m seals a record, for what Append would never
// write.
func (m *Middleware) SealPlain(plain []byte) string {
	sealed := m.sealedRecord()
	return sealed.ring.SealText(plain, sealed.ad)
}

// OpenCookie gives the record in the request's cookie; false where m does not
// open it.
func (m *Middleware) OpenCookie(r *http.Request) (record.Record, bool) {
	rec, reading := m.carrier.read(r)
	return rec, reading == current || reading == outdated
}

// CookieValues gives what the Cookie lines hold under name, and false where they
// are too many.
func CookieValues(lines []string, name string) ([]string, bool) {
	return cookieValues(nil, http.Header{"Cookie": lines}, name)
}

func (m *Middleware) sealedRecord() sealedRecord {
	switch c := m.carrier.(type) {
	case *cookieCarrier:
		return c.sealed
	case *storeCarrier:
		return c.sealed
	}
	panic("unknown carrier")
}

// EndInLedger writes what a sign-out writes for a session.
func (m *Middleware) EndInLedger(ctx context.Context, id [16]byte, ttl time.Duration) (bool, error) {
	keys := m.ledger.keysOf(id, 0)
	_, swapped, err := m.ledger.swapEntry(ctx, &keys, entry{}, entry{state: entryEnded}, ttl)
	return swapped, err
}

// Emit emits an event.
func (m *Middleware) Emit(ctx context.Context, e Event) { m.emit(ctx, e) }

// InUse is the Config that m goes by, defaults filled in and the keys gone.
func (m *Middleware) InUse() Config { return m.cfg }

// Canonical is the upstream as cookies and ledger entries are bound to it.
func (m *Middleware) Canonical() string { return m.upstream.String() }

// OpenStreams is how many keys of the ledger m watches streams under.
func OpenStreams(m *Middleware) int {
	m.streams.mu.Lock()
	defer m.streams.mu.Unlock()
	return len(m.streams.by)
}
