package request

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync/atomic"

	"github.com/ecgrid-contrib/ecgridsession/internal/cookie"
	"github.com/ecgrid-contrib/ecgridsession/internal/session"
)

// Session is what one request knows of its session. It is the request's
// context, so that opening a session costs one allocation and not four.
//
// It is made by open, at the beginning of a request, and lives as long as the
// request's context. newest, fault and ended may change in between, by
// whichever goroutine of the request comes first, and are atomic; all else is
// written before the handler runs, except told, which is written with the
// header of the answer.
type Session struct {
	context.Context
	o *Opener
	// now is when a request with a cookie came, in ms. It is read once: that
	// costs as much as looking up an entry.
	now int64

	// request is what the handlers behind Wrap get; it is in the same
	// allocation.
	request *http.Request

	carried *session.Snapshot // what the cookie held, whether or not it opens a session; nil where it was not read
	// reading is what the carrier made of the cookie, standing what cookie,
	// limits and ledger made of the session at the beginning. Neither changes
	// with it.
	reading  cookie.Reading
	standing standing
	fault    atomic.Pointer[error] // why nothing is known of the session, where that is so

	// newest is the session as this request sees it, nil for none. A long
	// request outlives its token, and Login or Logout may run within it.
	newest atomic.Pointer[session.Snapshot]
	ended  atomic.Bool // there was a session when the request began

	// ends and looked are what Confirm goes by: the ends of sessions in this
	// process and the time in ms when the ledger was last asked.
	ends   atomic.Uint64
	looked atomic.Int64

	w http.ResponseWriter // what the handlers get
	// answer is nil for a request without a cookie of ours.
	answer *answer
}

// answer is what the answer to a request is to say of the session, for settle.
// A handler may say it in another goroutine than the one that writes the header,
// as behind http.TimeoutHandler.
type answer struct {
	writer      writer // nothing is under it outside of Wrap
	subresource bool   // the answer is to become a part of a page
	unasked     bool   // the ledger did not answer when the request began

	owed        atomic.Pointer[line] // a sign-in or a sign-out has to reach the browser
	unused      atomic.Bool          // the session was only asked about
	used        atomic.Bool          // the user asked to stay
	refused     atomic.Bool          // the answer sets no cookie
	private     atomic.Bool          // the answer is no-store without a cookie, too
	refreshedAt atomic.Int64         // when this request last brought a newer token, in ms
	// told is what settle decided; nil before. It is a pointer for the same
	// reason as carried.
	told *line
}

// line is a Set-Cookie line that an answer is to have, or "" for none.
type line struct {
	text string
	of   *session.Snapshot // the session it carries; nil for a deletion
}

// standing is what cookie, limits and ledger make of a session.
type standing uint8

const (
	// Only standingOpen has a session in newest when open returns. With
	// standingUnknown the cookie stays; with the others it may go
	// (settle.go).
	standingNone     standing = iota // there is no cookie
	standingRejected                 // the cookie is not ours
	standingIdle                     // the idle limit has passed
	standingOver                     // the absolute limit has passed
	standingEnded                    // the ledger says so
	standingUnknown                  // what decides could not be asked
	standingOpen
)

// contextKey is of one Middleware, so two of them on one request never see each
// other's session. It is unexported and holds a pointer: no other package can
// make an equal one.
type contextKey struct{ o *Opener }

// anyKey finds the session of any Middleware, to name a mistake.
type anyKey struct{}

// Value implements context.Context. It is asked for every key of every package,
// so it compares before it looks up.
func (s *Session) Value(key any) any {
	switch k := key.(type) {
	case contextKey:
		if k.o == s.o {
			return s
		}
	case anyKey:
		return s
	}
	return s.Context.Value(key)
}

// String keeps a printed context from showing what is in it.
func (s *Session) String() string { return "ecgridsession context" }

// Format writes String for every verb: %d or %#v would print the fields.
func (s *Session) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

// Endable is the session that a sign-out ends: the one that is open, or what
// the cookie held, because even one past its limits may have a living token. So
// may one whose times look wrong, to a replica whose clock does: we have sealed
// it, and its user wants it to end. It is nil where there is none, or where it
// has been ended in this request.
func (s *Session) Endable() *session.Snapshot {
	if snap := s.newest.Load(); snap != nil {
		return snap
	}
	if s.ended.Load() || s.reading != cookie.Current && s.reading != cookie.Outdated {
		return nil
	}
	return s.carried
}

// Endables are the sessions that a sign-out ends: usually one. If the request
// carries several cookies of ours that open, nothing says which is the user's,
// and all of them end.
func (s *Session) Endables(r *http.Request) []*session.Snapshot {
	if snap := s.Endable(); snap != nil {
		return []*session.Snapshot{snap}
	}
	if s.ended.Load() || s.reading != cookie.Unreadable {
		return nil
	}
	var all []*session.Snapshot
	for _, rec := range s.o.Carrier.All(r) {
		snap := &session.Snapshot{Record: rec, Keys: s.o.Ledger.Keys(rec.ID, rec.UserID)}
		if i := slices.IndexFunc(all, func(o *session.Snapshot) bool { return o.Record.ID == rec.ID }); i < 0 {
			all = append(all, snap)
		} else if all[i].Record.Generation < rec.Generation {
			all[i] = snap
		}
	}
	return all
}

// Open returns the newest snapshot of an open session, or why there is none. newest
// is looked at first and ended after it, the other way round than close writes
// them.
func (s *Session) Open() (*session.Snapshot, error) {
	snap := s.newest.Load()
	switch {
	case snap != nil:
		return snap, nil
	case s.ended.Load():
		return nil, session.ErrEnded
	case s.Unavailable() != nil:
		return nil, s.Unavailable()
	default:
		return nil, session.ErrNone
	}
}

// Unavailable returns why nothing is known of the session, or nil.
func (s *Session) Unavailable() error {
	if fault := s.fault.Load(); fault != nil {
		return *fault
	}
	return nil
}

// Close makes the rest of the request anonymous.
func (s *Session) Close() {
	if s.newest.Load() != nil {
		s.ended.Store(true) // before newest, so that no reader misses both
	}
	s.newest.Store(nil)
}

// Replace makes snap the session of the rest of the request. ended stays as it
// is: it matters only when there is no session.
func (s *Session) Replace(snap *session.Snapshot) { s.newest.Store(snap) }

// outOfDate reports whether the cookie that the request brought has an older
// generation or key than the session's newest. The InLedger flag needs no look:
// it changes with a new cookie only.
func (s *Session) outOfDate(newest *session.Snapshot) bool {
	return newest.Record.Generation != s.carried.Record.Generation || s.reading == cookie.Outdated
}

// Newest is the session as the request sees it, or nil.
func (s *Session) Newest() *session.Snapshot { return s.newest.Load() }

// Replaced is the session that a sign-in takes the place of, or nil. One that is
// past its idle limit may be an old copy of one in use elsewhere, and is left
// alone.
func (s *Session) Replaced() *session.Snapshot {
	old := s.Endable()
	if old == s.carried && s.standing == standingIdle {
		return nil
	}
	return old
}

// Freshen refreshes the token of an open session where it is due, and waits for
// it no longer than ctx. A refresh that brought no verdict leaves the token so
// far in place. It has no result: whoever needs the session looks at it
// afterwards (Open).
func (s *Session) Freshen(ctx context.Context, now int64) {
	snap := s.newest.Load()
	if snap == nil {
		return
	}
	// A long request crosses the absolute limit: it is anonymous from here on
	// (ASVS 5.0, 7.3.2).
	if s.o.Limits.PastEnd(&snap.Record, now) {
		s.Close()
		return
	}
	if !s.o.Refresher.Due(&snap.Record.Credential, now) {
		return
	}
	next, err := s.o.Refresher.Refresh(ctx, snap)
	s.adopt(snap, next, err)
}

// Supersede returns the session with another credential than that of snap, which
// ECGrid has refused.
func (s *Session) Supersede(ctx context.Context, snap *session.Snapshot) (*session.Snapshot, error) {
	next, err := s.o.Refresher.Supersede(ctx, snap)
	s.adopt(snap, next, err)
	return next, err
}

// adopt takes over the result of a refresh that began with snap. The swaps
// compare with snap, because Login or Logout may have run in this request in the
// meantime: what they did stays.
func (s *Session) adopt(snap, next *session.Snapshot, err error) {
	switch {
	case errors.Is(err, session.ErrNone):
		s.ended.Store(true)
		// After ended, as in close: who sees no session must see that there was
		// one.
		s.newest.CompareAndSwap(snap, nil)
	case errors.Is(err, session.ErrUnavailable):
		s.fault.Store(&err)
		s.newest.CompareAndSwap(snap, nil)
	case err == nil && next != snap:
		if s.answer != nil {
			s.answer.refreshedAt.Store(s.o.Limits.NowMillis())
		}
		s.newest.CompareAndSwap(snap, next) // not over a Login within this request
	}
}
