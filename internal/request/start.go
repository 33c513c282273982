package request

import (
	"context"
	"crypto/rand"
	"net/http"

	"github.com/ecgrid-contrib/ecgridsession/internal/cookie"
	"github.com/ecgrid-contrib/ecgridsession/internal/record"
	"github.com/ecgrid-contrib/ecgridsession/internal/session"
)

// Start makes a session of rec, whose credential ECGrid has accepted, and sets
// its cookie. Its id is new: one that was known to others before sign-in
// would let them share it (ASVS 5.0, 7.2.4). Nothing of the session before is
// taken over, not even for the same user.
func (o *Opener) Start(ctx context.Context, w http.ResponseWriter, r *http.Request, rec record.Record) (*session.Snapshot, error) {
	now := o.Limits.NowMillis()
	rec.StartedAt, rec.SeenAt, rec.Credential.IssuedAt = now, now, now
	// 128 bits (ASVS 5.0, 7.2.3). crypto/rand.Read gives all of them or ends
	// the program; it has no error to handle.
	rand.Read(rec.ID[:])
	snap := &session.Snapshot{Record: rec, Keys: o.Ledger.Keys(rec.ID, rec.UserID)}
	cutOff, err := o.Ledger.CutOffAtSignIn(ctx, &snap.Keys, o.Limits)
	if err != nil {
		// A cut-off of 0 can only end the session too early, when the ledger is
		// back and the user has signed out everywhere in the last hours.
		o.Events.LedgerUnavailable(ctx, snap, err)
	}
	snap.Record.CutOff = cutOff
	if err := o.keep(ctx, w, r, snap); err != nil {
		return nil, err
	}
	o.owe(w, r, snap)
	o.Refresher.Touch(snap, now)
	return snap, nil
}

// keep puts the session where it will be found again: in the cookie or, where
// the credential does not belong or fit there, in the ledger as well. The
// ledger comes before the cookie: an entry without a cookie lapses,
// while a cookie without its entry is a session that has ended.
func (o *Opener) keep(ctx context.Context, w http.ResponseWriter, r *http.Request, snap *session.Snapshot) error {
	// An API key outlives every session, so a copy of a cookie with one in it
	// could never be made worthless.
	if !snap.Record.APIKey && !o.CredentialInLedger {
		err := o.Carrier.Write(w, r, &snap.Record, true)
		if err == nil {
			return nil
		}
		// Too large for a cookie; or for the store, whose error does not say.
	}
	snap.Record.InLedger = true
	if err := o.Ledger.Keep(ctx, snap, o.Limits.UntilEnd(&snap.Record)); err != nil {
		return err
	}
	inCookie := snap.Record
	inCookie.Credential = record.Credential{}
	if err := o.Carrier.Write(w, r, &inCookie, true); err != nil {
		// No browser has its cookie; the entry goes with its time to live.
		cookie.TakeBack(w.Header(), o.CookieName)
		return err
	}
	return nil
}
