package lifecycle

import (
	"context"
	"crypto/rand"
	"errors"
	mathrand "math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/ecgrid-contrib/ecgridsession/internal/background"
	"github.com/ecgrid-contrib/ecgridsession/internal/record"
	"github.com/ecgrid-contrib/ecgridsession/internal/seal"
	"github.com/ecgrid-contrib/ecgridsession/internal/session"
)

const (
	// maxKept and maxKeptBytes bound the sessions that are kept alive, by number
	// and by their sealed records. A session beyond them is as before: it has to
	// be used again before its token expires.
	maxKept      = 1 << 18
	maxKeptBytes = 256 << 20

	// maxKeeping bounds the refreshes that no request waits for, so that those of
	// requests have room.
	maxKeeping = 256

	// longestNap bounds the time between two looks at the schedule: the clock may
	// have been set, or the machine may have slept.
	longestNap = time.Minute
	// crowded is the pause when there are too many refreshes under way.
	crowded = 250 * time.Millisecond

	// firstRetry and longestRetry are the pauses after a refresh without a result.
	firstRetry   = time.Second
	longestRetry = 30 * time.Second
)

// keeper keeps sessions in use alive. The idle limit is a promise, but a token
// that has expired cannot be refreshed, and it may live for a shorter time. So
// the process that served the last request of a session refreshes its token when
// that is due, until the idle limit has passed since that request.
//
// It costs a request nothing unless its answer sets the cookie. A session whose
// token outlives the idle limit is not held, nor is one that has an API key or a
// refresh token. If several replicas hold a session, the claim in the ledger
// makes it one call.
//
// There is no goroutine while nothing is due: a timer starts one.
type keeper struct {
	timing
	keys    func(id [16]byte, userID int64) session.Keys
	refresh func(*session.Snapshot) (*session.Snapshot, error)
	// ring seals the records with a key of this process, so that no dump of its
	// memory shows a token that is in no request.
	ring    *seal.Ring
	keeping background.Tasks

	mu      sync.Mutex
	held    map[string]*kept // by the ledger's key of the session
	due     queue
	bytes   int
	timer   *time.Timer // nil before the first session
	wakeAt  int64       // when it fires, in ms
	stopped bool
}

func newKeeper(t timing, keys func([16]byte, int64) session.Keys, refresh func(*session.Snapshot) (*session.Snapshot, error)) *keeper {
	key := make([]byte, 32)
	rand.Read(key) // it has no error to handle
	ring, err := seal.NewRing([][]byte{key}, "sessions in use")
	if err != nil {
		panic(err) // a random key has no fault
	}
	return &keeper{timing: t, keys: keys, refresh: refresh, ring: ring, held: make(map[string]*kept)}
}

// touch notes a use of the session at seenAt.
func (k *keeper) touch(snap *session.Snapshot, seenAt int64) {
	key := snap.Keys.Session()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stopped {
		return
	}
	e := k.held[key]
	if e != nil {
		e.used = max(e.used, seenAt)
		seenAt = e.used
		if e.generation >= snap.Record.Generation {
			return
		}
	}
	k.hold(snap, seenAt)
	k.arm(0)
}

// hold holds the session with its newest credential, or drops it if there is
// nothing to do for it. It is called with mu held, as the following methods are.
func (k *keeper) hold(snap *session.Snapshot, used int64) {
	rec := &snap.Record
	key := snap.Keys.Session()
	e := k.held[key]
	at, ok := k.refreshAt(rec, used)
	if !ok {
		k.drop(e)
		return
	}
	plain := rec.Append(nil)
	sealed := k.ring.Seal(nil, plain, []byte(key))
	clear(plain)
	if e == nil {
		if len(k.held) >= maxKept || k.bytes+len(sealed) > maxKeptBytes {
			return
		}
		// Without the string's other half, which is the user's key.
		e = &kept{key: strings.Clone(key), place: -1}
		k.held[e.key] = e
	} else if e.place >= 0 {
		k.due.remove(e)
	}
	k.bytes += len(sealed) - len(e.sealed)
	e.sealed, e.generation, e.expires, e.at, e.used = sealed, rec.Generation, rec.Credential.ExpiresAt, at, used
	k.due.add(e)
}

// refreshAt is when the token of a session is to be refreshed, and whether it is:
// not if it outlives the idle limit, and not for a credential that needs none.
func (k *keeper) refreshAt(rec *record.Record, used int64) (at int64, ok bool) {
	c := &rec.Credential
	if rec.APIKey || c.Token == "" || c.RefreshToken != "" || c.ExpiresAt == 0 {
		return 0, false
	}
	at = k.dueAt(c)
	end := used + k.limits.Idle.Milliseconds()
	if at > end {
		return 0, false
	}
	// In the third quarter of the time that is left. A request comes first if there
	// is one, replicas that hold the same session should not ask at the same time,
	// and there is time left for another try.
	if quarter := k.lead(c) / 4; quarter > 0 {
		at = min(at+2*quarter+1+mathrand.Int64N(quarter), end)
	}
	return at, true
}

// drop forgets a session; e may be nil.
func (k *keeper) drop(e *kept) {
	if e == nil || k.held[e.key] != e {
		return
	}
	delete(k.held, e.key)
	k.bytes -= len(e.sealed)
	if e.place >= 0 {
		k.due.remove(e)
	}
}

// arm sets the timer to the next session, but not before a pause.
func (k *keeper) arm(pause time.Duration) {
	if k.stopped || len(k.due) == 0 {
		return
	}
	now := k.limits.NowMillis()
	nap := min(max(time.Duration(k.due[0].at-now)*time.Millisecond, pause, 0), longestNap)
	at := now + nap.Milliseconds()
	switch {
	case k.timer == nil:
		k.timer = time.AfterFunc(nap, k.wake)
	case k.wakeAt > now && k.wakeAt <= at && pause == 0:
		return // it wakes early enough
	default:
		k.timer.Reset(nap)
	}
	k.wakeAt = at
}

// wake starts the refreshes that are due.
func (k *keeper) wake() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stopped {
		return
	}
	now, pause := k.limits.NowMillis(), time.Duration(0)
	for len(k.due) > 0 && k.due[0].at <= now {
		e := k.due[0]
		if now-e.used > k.limits.Idle.Milliseconds() {
			k.drop(e)
			continue
		}
		if !k.keeping.Start(maxKeeping, func() { k.keep(e) }) {
			pause = crowded
			break
		}
		k.due.remove(e)
	}
	k.wakeAt = 0
	k.arm(pause)
}

// keep refreshes the token of one session.
func (k *keeper) keep(e *kept) {
	snap, ok := k.open(e)
	var next *session.Snapshot
	err := session.ErrNone
	if ok {
		next, err = k.contained(snap)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.stopped || k.held[e.key] != e:
	case errors.Is(err, session.ErrNone):
		k.drop(e)
	case e.place >= 0: // a request has brought a newer token in the meantime
	case err == nil && next.Record.Generation > e.generation:
		k.hold(next, e.used)
	default:
		k.retry(e)
	}
	k.arm(0)
}

// open returns the session that is sealed in e, unless it is past its absolute
// end.
func (k *keeper) open(e *kept) (*session.Snapshot, bool) {
	k.mu.Lock()
	sealed := e.sealed // it is replaced, never changed
	k.mu.Unlock()
	snap := &session.Snapshot{}
	plain, _, err := k.ring.Open(nil, sealed, []byte(e.key))
	if err == nil {
		err = record.Parse(plain, &snap.Record)
		clear(plain)
	}
	if err != nil || k.limits.PastEnd(&snap.Record, k.limits.NowMillis()) {
		return nil, false
	}
	snap.Keys = k.keys(snap.Record.ID, snap.Record.UserID)
	return snap, true
}

// contained refreshes the token. A panic on the way gives the session up: no
// caller is there to recover from it.
func (k *keeper) contained(snap *session.Snapshot) (next *session.Snapshot, err error) {
	defer func() {
		if recover() != nil {
			next, err = nil, session.ErrNone
		}
	}()
	return k.refresh(snap)
}

// retry puts a session back whose refresh brought nothing, because ECGrid or the
// ledger does not answer. The ledger keeps the backoff, so a try may be one look.
// A token that has expired is left to the next request.
func (k *keeper) retry(e *kept) {
	now := k.limits.NowMillis()
	left := time.Duration(e.expires-now) * time.Millisecond
	if left <= 0 {
		k.drop(e)
		return
	}
	e.at = now + min(max(left/8, firstRetry), longestRetry).Milliseconds()
	k.due.add(e)
}

// forget drops a session that has ended.
func (k *keeper) forget(key string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.drop(k.held[key])
}

// stop lets no refresh begin any more, and forgets all sessions.
func (k *keeper) stop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stopped = true
	if k.timer != nil {
		k.timer.Stop()
	}
	k.held, k.due, k.bytes = nil, nil, 0
}

// close waits for the refreshes that have begun.
func (k *keeper) close(ctx context.Context) { k.keeping.Close(ctx) }
