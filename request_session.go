package ecgridsession

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/ecgrid-contrib/ecgridsession/internal/record"
)

// requestSession is what one request knows of its session. It is the request's
// context, so that opening a session costs one allocation and not four.
type requestSession struct {
	context.Context
	m *Middleware
	// now is when a request with a cookie came, in ms. It is read once: that
	// costs as much as looking up an entry.
	now int64

	request *http.Request // what the handlers behind Wrap get

	carried  *snapshot // what the cookie held, whether or not it opens a session; nil where it was not read
	reading  reading
	standing standing
	reissued bool                  // Wrap has set the cookie anew
	fault    atomic.Pointer[error] // why nothing is known of the session, where that is so

	// newest is the session as this request sees it, nil for none. A long
	// request outlives its token, and Login or Logout may run within it.
	newest atomic.Pointer[snapshot]
	ended  atomic.Bool // there was a session when the request began
}

// newAnonymousRequest is for a request whose cookie was not read: nothing is
// carried. For every image and script before sign-in it is all that is paid.
func newAnonymousRequest(ctx context.Context, m *Middleware, how reading) *requestSession {
	made := new(struct {
		session requestSession
		request http.Request
	})
	s := &made.session
	s.Context, s.m, s.request, s.reading = ctx, m, &made.request, how
	return s
}

// newRequestSession is one allocation, too. What holds a cookie is behind a
// pointer all the same: fmt prints the fields of a context that is in a field
// itself, as in %s of an *http.Request, but follows no further pointer.
func newRequestSession(ctx context.Context, m *Middleware, rec record.Record, how reading) *requestSession {
	made := new(struct {
		session requestSession
		request http.Request
		carried snapshot
	})
	s := &made.session
	s.Context, s.m, s.request, s.carried = ctx, m, &made.request, &made.carried
	s.carried.record, s.reading = rec, how
	return s
}

// snapshot is a session with one generation of its credential. It is immutable
// once a request can see it.
type snapshot struct {
	record record.Record
	keys   sessionKeys
}

// standing is what cookie, limits and ledger make of a session.
type standing uint8

const (
	standingNone     standing = iota // there is no cookie
	standingRejected                 // the cookie is not ours
	standingIdle                     // the idle limit has passed
	standingOver                     // the absolute limit has passed
	standingEnded                    // the ledger says so
	standingUnknown                  // what decides could not be asked
	standingOpen
)

// contextKey is of one Middleware, so two of them on one request never see each
// other's session.
type contextKey struct{ m *Middleware }

// Value implements context.Context.
func (s *requestSession) Value(key any) any {
	if k, ok := key.(contextKey); ok && k.m == s.m {
		return s
	}
	return s.Context.Value(key)
}

// String keeps a printed context from showing what is in it.
func (s *requestSession) String() string { return "ecgridsession context" }

// Format writes String for every verb: %d or %#v would print the fields.
func (s *requestSession) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

// sessionIn is the session that Wrap put into ctx, or nil.
func (m *Middleware) sessionIn(ctx context.Context) *requestSession {
	s, _ := ctx.Value(contextKey{m}).(*requestSession)
	return s
}

// sessionFor is the request's session, opened now where the handler runs
// outside of Wrap.
func (m *Middleware) sessionFor(r *http.Request) *requestSession {
	if s := m.sessionIn(r.Context()); s != nil {
		return s
	}
	return m.open(r)
}

// endable is the session that a sign-out ends: the one that is open, or what
// the cookie held, since even one past its limits may have a living token. It
// is nil where there is none.
func (s *requestSession) endable() *snapshot {
	if snap := s.newest.Load(); snap != nil {
		return snap
	}
	if s.ended.Load() || s.reading != current && s.reading != outdated || s.standing == standingRejected {
		return nil
	}
	return s.carried
}

// open is the newest snapshot of an open session, or why there is none.
func (s *requestSession) open() (*snapshot, error) {
	snap := s.newest.Load()
	switch {
	case snap != nil:
		return snap, nil
	case s.ended.Load():
		return nil, ErrSessionEnded
	case s.unavailable() != nil:
		return nil, s.unavailable()
	default:
		return nil, ErrNoSession
	}
}

// unavailable is why nothing is known of the session, or nil.
func (s *requestSession) unavailable() error {
	if fault := s.fault.Load(); fault != nil {
		return *fault
	}
	return nil
}

// close makes the rest of the request anonymous.
func (s *requestSession) close() {
	if s.newest.Load() != nil {
		s.ended.Store(true) // before newest, so that nobody sees neither
	}
	s.newest.Store(nil)
}

// replace makes snap the session of the rest of the request, whose cookie is no
// longer the one that Wrap has set.
func (s *requestSession) replace(snap *snapshot) {
	s.reissued = false
	s.newest.Store(snap)
}

// outOfDate tells whether the cookie that the request brought is of an older
// generation or key than the session's newest.
func (s *requestSession) outOfDate(newest *snapshot) bool {
	return newest.record.Generation != s.carried.record.Generation || s.reading == outdated
}

// with returns the session with the credential of its ledger entry, where that
// is what counts: the credential is kept there, or is a newer one.
func (snap *snapshot) with(found *entry) *snapshot {
	if found.state != entryLive && found.state != entryRefreshing {
		return snap
	}
	if !snap.record.InLedger && found.generation <= snap.record.Generation {
		return snap
	}
	next := *snap
	next.record.Generation = found.generation
	next.record.Credential = found.credential
	return &next
}

// describe is the public view of a session.
func (m *Middleware) describe(snap *snapshot) Session {
	rec := &snap.record
	started := time.UnixMilli(rec.StartedAt).UTC()
	return Session{
		Ref:            hex.EncodeToString(snap.keys.ref[:]),
		UserID:         rec.UserID,
		Login:          rec.Login,
		APIKey:         rec.APIKey,
		StartedAt:      started,
		TokenExpiresAt: timeOf(rec.Credential.ExpiresAt),
		EndsAt:         started.Add(m.cfg.Lifetime),
	}
}
