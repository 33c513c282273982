package ecgridsession

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/ecgrid-contrib/ecgridsession/internal/ecgrid"
	"github.com/ecgrid-contrib/ecgridsession/internal/record"
)

const (
	// firstPoll and longestPoll are how long a process waits for another's
	// refresh between two looks at the ledger.
	firstPoll   = 20 * time.Millisecond
	longestPoll = 200 * time.Millisecond

	// maxRefreshes bounds the refreshes under way in this process, and
	// maxUnpublished the tokens that wait for the ledger, which must not keep
	// others from refreshing.
	maxRefreshes   = 4096
	maxUnpublished = 16384

	// faultCost is how many lost swaps one that failed counts for: whoever
	// reads but cannot write is not to be asked over and over.
	faultCost = maxSwaps / 4

	// aloneEvery is how often a session's token is tried without a claim, while
	// the ledger that keeps the backoff is down.
	aloneEvery = 5 * time.Second
)

// refresher gives sessions a fresh token before theirs expires: one call to
// ECGrid however many requests ask, in this process by single flight and across
// replicas by the lease in the ledger.
//
// The way of a refresh: a request finds its token due (freshen), joins the
// flight of all that found the same (flight), one of which runs an attempt
// (run) that looks, claims, asks ECGrid and publishes; then all of them take
// over what came (settle). The decisions are in attempt.go, when a token is due
// in due.go, and what the ledger could not be told in publish.go.
type refresher struct {
	m *Middleware
	// flights joins those that ask for the same in this process. With the
	// ledger it is for speed, since the lease would do; without it, it is all
	// that there is.
	flights singleflight.Group
	// underway are the attempts, which outlive the requests that wait for them.
	underway tasks
	// sights is since when each entry has stood as it is, for leases and
	// backoff.
	sights sightings
	// alone is of failed tries without a claim: the backoff that is else in the
	// entry.
	alone sightings
	// unpublished has the tokens that the ledger does not know of yet.
	unpublished *publisher

	stopped context.Context // done: Close has given up
	stop    context.CancelFunc
}

func newRefresher(m *Middleware) *refresher {
	stopped, stop := context.WithCancel(context.Background())
	f := &refresher{m: m, stopped: stopped, stop: stop}
	f.unpublished = newPublisher(f)
	return f
}

// close is called once the server has shut down, and returns how many of either
// are left when ctx ends. Only then stop cuts short what still waits.
func (f *refresher) close(ctx context.Context) (left int) {
	left = f.underway.close(ctx) // first: one that fails may leave a token to publish
	left += f.unpublished.close(ctx)
	f.stop()
	return left
}

// lease is how long a holder may take. Its call to ECGrid ends after half of
// it, so one that is over the lease has died or stopped.
func (f *refresher) lease() time.Duration { return 2 * f.m.cfg.AuthTimeout }

// freshen refreshes the token of an open session where it is due, and waits for
// it no longer than ctx. A refresh that brought no verdict leaves the token so
// far in place. It has no result: whoever needs the session looks at it
// afterwards (open).
func (s *requestSession) freshen(ctx context.Context, now int64) {
	snap := s.newest.Load()
	if snap == nil {
		return
	}
	m := s.m
	// A long request crosses the absolute limit: it is anonymous from here on
	// (ASVS 5.0, 7.3.2).
	if m.pastEnd(&snap.record, now) {
		s.close()
		return
	}
	if !m.refresher.due(&snap.record.Credential, now) {
		return
	}
	next, err := m.refresher.refresh(ctx, snap)
	s.settle(snap, next, err)
}

// settle takes over what became of a session while snap was its newest. The
// swaps compare with snap, since Login or Logout may have run in this request
// while the refresh was on its way: what they did stands.
func (s *requestSession) settle(snap, next *snapshot, err error) {
	switch {
	case errors.Is(err, ErrNoSession):
		s.ended.Store(true)
		// After ended, as in close: who sees no session must see that there was
		// one.
		s.newest.CompareAndSwap(snap, nil)
	case errors.Is(err, ErrLedgerUnavailable):
		s.fault.Store(&err)
		s.newest.CompareAndSwap(snap, nil)
	case err == nil && next != snap:
		s.newest.CompareAndSwap(snap, next) // not over a Login within this request
	}
}

// refresh returns snap with the newest credential there is. Its errors are
// ErrSessionEnded, ErrLedgerUnavailable where the credential is known to be
// dead, and ctx's.
func (f *refresher) refresh(ctx context.Context, snap *snapshot) (*snapshot, error) {
	return f.flight(ctx, snap, goalRefresh)
}

// supersede returns snap with a newer credential than the one that ECGrid has
// just refused. Where there is none, it ends the session, but for a token that
// has expired: that one is given a refresh, and the session goes on while ECGrid
// gives no verdict. Its errors are those of refresh.
func (f *refresher) supersede(ctx context.Context, snap *snapshot) (*snapshot, error) {
	return f.flight(ctx, snap, goalSupersede)
}

// flight makes one attempt for all that ask for the same at once. It goes on
// when they give up, since others may wait for it, and its answer be on the way
// from ECGrid. The generation in the key parts those who come with an old
// cookie from those with a new one: a refresh of the one is no answer to the
// other.
func (f *refresher) flight(ctx context.Context, snap *snapshot, goal goal) (*snapshot, error) {
	// The session's key is a hash, so those of two users never meet.
	key := fmt.Sprintf("%d %d %s", goal, snap.record.Generation, snap.keys.session())
	// DoChan and not Do: each caller waits no longer than its own ctx
	// (TestACallerWithoutPatienceGetsItsOwnErrorAlone).
	done := f.flights.DoChan(key, func() (any, error) {
		next, err := snap, error(nil)
		// In a goroutine of underway's, so that Close waits for it: that of the
		// flight is not ours to count.
		finished := make(chan struct{})
		taken := f.underway.start(maxRefreshes, func() {
			defer close(finished)
			next, err = f.attempt(snap, goal)
		})
		if taken {
			<-finished
		}
		return next, err // not taken: the token so far is what there is
	})
	select {
	case result := <-done:
		if result.Err != nil {
			return nil, result.Err
		}
		// Those of one flight may have come by different cookies; what they
		// share is the credential.
		shared := &result.Val.(*snapshot).record
		next := *snap
		next.record.Generation, next.record.Credential = shared.Generation, shared.Credential
		return &next, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// attempt makes one for a session, from the newest that is known of it here. A
// token that only this process knows of may be all that was wanted: then nobody
// is asked.
func (f *refresher) attempt(snap *snapshot, goal goal) (*snapshot, error) {
	newest := f.unpublished.newestOf(snap)
	if newest != snap && (goal == goalSupersede || !f.due(&newest.record.Credential, f.m.now().UnixMilli())) {
		return newest, nil
	}
	a := newAttempt(newest, goal)
	f.run(newest, &a)
	return f.outcome(newest, &a)
}

// run carries out what an attempt asks for until it is done. Its context is the
// refresher's and no request's: an attempt that stopped half-way would leave a
// claim behind for others to wait out.
func (f *refresher) run(snap *snapshot, a *attempt) {
	// swaps bounds what a ledger that is broken can cost; stepWait needs no
	// bound, since a lease always lapses.
	ctx, poll, swaps := f.stopped, firstPoll, maxSwaps
	var asked *Event
	var proven time.Time // when the ledger last answered, by the monotonic clock
	for a.todo != stepDone {
		// Half a lease is what the call may take: with less than that left
		// another may take over before it is done
		// (TestAHolderThatWakesAndIsRefusedEndsNothing).
		if a.todo == stepAsk && time.Since(proven) > f.lease()/2 {
			// The process was stopped in between: the lease may be another's.
			a.overslept()
		}
		switch a.todo {
		case stepLook:
			found, err := f.look(ctx, snap)
			if swaps <= 0 && err == nil {
				// It answers, and cannot be written to.
				found, err = entry{}, fmt.Errorf("%w: the entry cannot be changed", ErrLedgerUnavailable)
				f.m.emit(ctx, Event{Kind: LedgerUnavailable, Session: f.m.describe(snap), Err: err})
			}
			// After the call, which has a deadline of its own: what is measured
			// is a stop between two steps, such as SIGSTOP or a laptop's sleep.
			proven = time.Now()
			a.looked(found, err, f.sight(snap, a, &found))
		case stepSwap:
			stored, ok, err := f.m.ledger.swapEntry(ctx, &snap.keys, a.was, a.next, f.timeToLive(snap, a))
			proven = time.Now()
			if ok && a.purpose == toAbort {
				// The backoff runs from here, not from the next request.
				f.sights.stood(snap.keys.session(), stored)
			}
			swaps--
			if err != nil {
				swaps -= faultCost
			}
			a.swapped(stored, ok, err)
		case stepAsk:
			asked = &Event{}
			a.answered(f.ask(ctx, snap, a, asked))
			// No claim and no token: the next try waits for aloneEvery.
			if a.was.state != entryRefreshing && a.fresh.Token == "" {
				f.alone.mark(snap.keys.session())
			}
		case stepWait:
			if sleep(poll, f.stopped.Done()) { // Close gives up
				a.finish(verdictKept)
				return
			}
			poll = min(2*poll, longestPoll)
			a.waited()
		}
	}
	// After the loop, so that each event is emitted once, and when it is known
	// how it came out.
	f.tell(snap, a, asked)
	if a.orphan.Token != "" {
		f.m.revokeLater(snap, a.orphan)
	}
}

// look asks the ledger about a session. One that has ended with all of its
// user's is as good as ended by itself: no long request of it may go on. The
// attempt knows nothing of cut-offs: to it the session has an entry that says
// ended.
func (f *refresher) look(ctx context.Context, snap *snapshot) (entry, error) {
	found, cutOff, err := f.m.ledger.look(ctx, &snap.keys)
	if err == nil && cutOff > snap.record.CutOff {
		found.state = entryEnded
	}
	return found, err
}

// tell emits what came of an attempt; asked is nil where ECGrid was not.
func (f *refresher) tell(snap *snapshot, a *attempt, asked *Event) {
	event := Event{Session: f.m.describe(snap)}
	if asked != nil {
		event.Duration, event.Err = asked.Duration, asked.Err
	}
	switch {
	// Also where ECGrid was not asked: an app's call was refused
	// (goalSupersede).
	case a.endedHere:
		event.Kind = SessionEnded
		f.m.streams.end(snap.keys.session())
	case asked == nil:
		return
	case a.noVerdict:
		event.Kind = RefreshFailed
	case a.result == verdictPublished:
		event.Kind = SessionRefreshed
		// The snapshot is from before.
		event.Session.TokenExpiresAt = timeOf(a.credential.ExpiresAt)
	case a.result == verdictUnpublished:
		event.Kind = SessionRefreshed
		event.Session.TokenExpiresAt = timeOf(a.fresh.ExpiresAt)
	default:
		return
	}
	f.m.emit(f.stopped, event)
}

// sight is what time has to say of an entry. It is made anew for each look: a
// wait may have lasted seconds.
func (f *refresher) sight(snap *snapshot, a *attempt, found *entry) sight {
	_, credential := a.counts(found)
	now := f.m.now().UnixMilli()
	over := f.m.pastEnd(&snap.record, now)
	return sight{
		due:     f.due(&credential, now) && !over,
		urgent:  f.urgent(&credential) && f.alone.since(snap.keys.session()) >= aloneEvery,
		expired: a.goal == goalSupersede && f.expired(&credential) && !over,
		stood:   f.sights.stood(snap.keys.session(), found.stored),
		lease:   f.lease(),
	}
}

// timeToLive is how long the entry of a swap has something to say. The entry of
// a bearer session speaks of one token, and need not outlive it: who comes with
// an older cookie after that has an expired token, with or without it. Ended
// outlives every cookie.
func (f *refresher) timeToLive(snap *snapshot, a *attempt) time.Duration {
	if a.next.state == entryEnded || snap.record.InLedger {
		return f.m.untilEnd(&snap.record)
	}
	left := timeOf(a.next.credential.ExpiresAt).Sub(f.m.now())
	return max(left, 2*f.lease()) + clockSlack
}

// ask makes the one call to ECGrid; how long it took, and why it failed, goes
// into told. AuthTimeout is half the lease, so the answer is in before anybody
// may take over.
func (f *refresher) ask(ctx context.Context, snap *snapshot, a *attempt, told *Event) reply {
	ctx, cancel := context.WithTimeout(ctx, f.m.cfg.AuthTimeout)
	defer cancel()
	began := f.m.now()
	grant, err := f.m.ecgrid.Refresh(ctx, a.credential.Token, a.credential.RefreshToken)
	told.Duration = f.m.now().Sub(began)
	if err != nil {
		told.Err = upstreamError("refresh", err)
		var failure *ecgrid.Error
		return reply{refused: errors.As(err, &failure) && failure.Rejected()}
	}
	// It is for the attempt to end the session and revoke what came
	// (TestAnotherUsersTokenEndsTheSessionAndIsRevoked).
	if grant.UserID != snap.record.UserID {
		told.Err = errOtherUser
	}
	return reply{
		otherUser: grant.UserID != snap.record.UserID,
		granted: record.Credential{
			Token:        grant.Token,
			RefreshToken: orDefault(grant.RefreshToken, a.credential.RefreshToken), // RFC 6749, 6: kept where none is new
			IssuedAt:     f.m.now().UnixMilli(),
			ExpiresAt:    millisOf(grant.ExpiresAt),
		},
	}
}

// outcome is what the requests get of an attempt. A session that is kept
// without a fresh token is no error to them: it works with the one that it has.
func (f *refresher) outcome(snap *snapshot, a *attempt) (*snapshot, error) {
	next := *snap
	next.record.Generation, next.record.Credential = a.generation, a.credential
	switch a.result {
	case verdictEnded:
		return nil, ErrSessionEnded
	case verdictUnknown:
		return nil, fmt.Errorf("%w: the session may have a newer token", ErrLedgerUnavailable)
	case verdictUnpublished:
		next.record.Generation, next.record.Credential = a.generation+1, a.fresh
		f.unpublished.later(snap, &next, *a)
	}
	return &next, nil
}
