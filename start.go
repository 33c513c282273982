package ecgridsession

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/ecgrid-contrib/ecgridsession/internal/record"
)

// The beginning of a session, for Login and Start alike: what ECGrid has
// accepted gets an id, a place in cookie or ledger, and takes the place of the
// session that the browser had. The order keeps a user who signs in again from
// being without any: the new session is complete before the old one ends.

// errInsecureElsewhere is of an app that left InsecureCookie on where others
// can listen.
var errInsecureElsewhere = errors.New(
	"ecgridsession: InsecureCookie is for loopback hosts only, and this connection came in elsewhere")

// errOtherUser is of a credential that is not that of the user it was given
// for.
var errOtherUser = errors.New("ecgridsession: the credential belongs to another user")

// newSession is a sign-in on its way to becoming a session. Its credential has
// been accepted by ECGrid, or by the app for a token whose user it knows.
type newSession struct {
	credential Credential
	login      string
	took       time.Duration // ECGrid's call; 0 where it was not asked
}

// begin makes a session of a credential that ECGrid has accepted: ledger, then
// cookie, then the end of the session that was there before.
func (m *Middleware) begin(w http.ResponseWriter, r *http.Request, n newSession) (Session, error) {
	noStore(w)
	// A browser that hangs up must not leave half a session.
	ctx := context.WithoutCancel(r.Context())
	before := m.sessionFor(r)

	snap, err := m.newSnapshot(ctx, n)
	if err != nil {
		return Session{}, err
	}
	if err := m.keep(ctx, w, r, snap); err != nil {
		return Session{}, err
	}
	m.endBefore(ctx, before, n.credential)
	// From here on the rest of the request is the new user's.
	before.replace(snap)

	session := m.describe(snap)
	m.emit(ctx, Event{Kind: SessionStarted, Session: session, Duration: n.took})
	return session, nil
}

// newSnapshot is a session with a new id: one that somebody could have known
// before sign-in would let them share it (ASVS 5.0, 7.2.4). Nothing of the
// session before is taken over, not even for the same user.
func (m *Middleware) newSnapshot(ctx context.Context, n newSession) (*snapshot, error) {
	now := m.now().UnixMilli()
	snap := &snapshot{record: record.Record{
		APIKey:    n.credential.APIKey != "",
		UserID:    n.credential.UserID,
		Login:     n.login,
		StartedAt: now,
		SeenAt:    now,
		Credential: record.Credential{
			Token:        n.credential.Token,
			RefreshToken: n.credential.RefreshToken,
			APIKey:       n.credential.APIKey,
			IssuedAt:     now,
			ExpiresAt:    millisOf(n.credential.ExpiresAt),
		},
	}}
	// 128 bits (ASVS 5.0, 7.2.3). crypto/rand.Read gives all of them or ends
	// the program; it has no error to handle.
	rand.Read(snap.record.ID[:])
	snap.keys = m.ledger.keysOf(snap.record.ID, snap.record.UserID)

	cutOff, err := m.cutOffAtSignIn(ctx, &snap.keys)
	if err != nil {
		// A cut-off of 0 can only end the session too early, when the ledger is
		// back and the user has signed out everywhere in the last hours.
		m.emit(ctx, Event{Kind: LedgerUnavailable, Session: m.describe(snap), Err: err})
	}
	snap.record.CutOff = cutOff
	return snap, nil
}

// keep puts the session where it will be found again: in the cookie or, where
// the credential does not belong or fit there, in the ledger as well. The
// ledger comes before the cookie: an entry that nobody has a cookie for lapses,
// while a cookie without its entry is a session that has ended.
func (m *Middleware) keep(ctx context.Context, w http.ResponseWriter, r *http.Request, snap *snapshot) error {
	// An API key outlives every session, so a copy of a cookie with one in it
	// could never be made worthless.
	if !snap.record.APIKey && !m.cfg.CredentialInLedger {
		err := m.carrier.write(w, r, &snap.record, true)
		if err == nil {
			return nil
		}
		// Too large for a cookie; or for the store, whose error does not say.
	}
	snap.record.InLedger = true
	live := entry{state: entryLive, credential: snap.record.Credential}
	// In the place of nothing: an entry under the key of a new random id was
	// put there by somebody else.
	_, swapped, err := m.ledger.swapEntry(ctx, &snap.keys, entry{}, live, m.untilEnd(&snap.record))
	switch {
	case err != nil:
		return err
	case !swapped:
		return fmt.Errorf("%w: a new session's entry was taken", ErrLedgerUnavailable)
	}
	inCookie := snap.record
	inCookie.Credential = record.Credential{}
	if err := m.carrier.write(w, r, &inCookie, true); err != nil {
		// Nobody has its cookie; the entry goes with its time to live.
		takeBackCookie(w.Header(), m.cfg.CookieName)
		return err
	}
	return nil
}

// endBefore ends the session that a sign-in takes the place of, and has its
// token revoked. One that is past its idle limit may be an old copy of one in
// use elsewhere, and is left alone. It is after the new session is kept: one
// that fails half-way leaves the old one as it was.
func (m *Middleware) endBefore(ctx context.Context, before *requestSession, next Credential) {
	old := before.endable()
	if old == nil || old == before.carried && before.standing == standingIdle {
		return
	}
	ended, err := m.end(ctx, old)
	session := m.describe(old)
	if err != nil {
		m.emit(ctx, Event{Kind: LedgerUnavailable, Session: session, Err: err})
	}
	// Signed out in another tab meanwhile: whoever did it has the token to
	// revoke.
	if err == nil && !ended.won {
		return
	}
	m.emit(ctx, Event{Kind: SessionEnded, Session: session})
	if ended.newest.Token == next.Token && ended.newest.APIKey == next.APIKey {
		return // Start was given the credential of the session that was there
	}
	job := revocation{session: session, credential: credentialOf(ended.newest, session.UserID)}
	if err != nil {
		job.unended = old
	}
	m.revoker.later(job)
}
