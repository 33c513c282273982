package lifecycle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/ecgrid-contrib/ecgridsession/internal/background"
	"github.com/ecgrid-contrib/ecgridsession/internal/ecgrid"
	"github.com/ecgrid-contrib/ecgridsession/internal/record"
	"github.com/ecgrid-contrib/ecgridsession/internal/session"
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
	faultCost = session.MaxSwaps / 4

	// aloneEvery is how often a session's token is tried without a claim, while
	// the ledger that keeps the backoff is down.
	aloneEvery = 5 * time.Second
)

// ErrOtherUser is of a credential that is not that of the user it was given for.
var ErrOtherUser = errors.New("ecgridsession: the credential belongs to another user")

// Refresher gives sessions a fresh token before theirs expires: one call to
// ECGrid however many requests ask, in this process by single flight and across
// replicas by the lease in the ledger.
//
// The way of a refresh: a request finds its token due, joins the flight of all
// that found the same (flight), one of which runs an attempt (run) that looks,
// claims, asks ECGrid and publishes. The decisions are in attempt.go, when a
// token is due in due.go, and what the ledger could not be told in publish.go.
type Refresher struct {
	Dependencies
	events Events
	limits *session.Limits
	before time.Duration
	// flights joins those that ask for the same in this process. With the
	// ledger it is for speed, since the lease would do; without it, it is all
	// that there is.
	flights singleflight.Group
	// underway are the attempts, which outlive the requests that wait for them.
	underway background.Tasks
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

// Dependencies are what a Refresher works with.
type Dependencies struct {
	Ledger *session.Ledger
	Limits *session.Limits
	// Upstream is ECGrid.
	Upstream Upstream
	// Orphaned takes a token of a session that nobody will use.
	Orphaned func(*session.Snapshot, record.Credential)
	Events   Events

	Before      time.Duration // Config.RefreshBefore
	AuthTimeout time.Duration // of the call to ECGrid
}

// Upstream exchanges a token for a fresh one. Its errors wrap an [*ecgrid.Error]
// if ECGrid said no. A grant that comes with an error holds a token to be revoked.
type Upstream interface {
	Refresh(ctx context.Context, token, refreshToken string) (ecgrid.Grant, error)
}

// Events are told what became of sessions.
type Events interface {
	Refreshed(ctx context.Context, snap *session.Snapshot, expiresAt int64, took time.Duration, err error)
	RefreshFailed(ctx context.Context, snap *session.Snapshot, took time.Duration, err error)
	SessionEnded(ctx context.Context, snap *session.Snapshot, took time.Duration, err error)
	LedgerUnavailable(ctx context.Context, snap *session.Snapshot, err error)
}

// New returns a Refresher, for which nothing is started yet.
func New(d Dependencies) *Refresher {
	stopped, stop := context.WithCancel(context.Background())
	f := &Refresher{Dependencies: d, events: d.Events, limits: d.Limits, before: d.Before, stopped: stopped, stop: stop}
	f.unpublished = newPublisher(f)
	return f
}

// Close is called once the server has shut down, and returns how many of either
// are left when ctx ends. Only then stop cuts short what still waits.
func (f *Refresher) Close(ctx context.Context) (left int) {
	left = f.underway.Close(ctx) // first: one that fails may leave a token to publish
	left += f.unpublished.close(ctx)
	f.stop()
	return left
}

// Newest returns snap with the newest credential that this process knows of and
// the ledger may not, or snap itself.
func (f *Refresher) Newest(snap *session.Snapshot) *session.Snapshot {
	return f.unpublished.newestOf(snap)
}

// lease is how long a holder may take. Its call to ECGrid ends after half of
// it, so one that is over the lease has died or stopped.
func (f *Refresher) lease() time.Duration { return 2 * f.AuthTimeout }

// Refresh returns snap with the newest credential there is. Its errors are
// ErrSessionEnded, ErrLedgerUnavailable where the credential is known to be
// dead, and ctx's.
func (f *Refresher) Refresh(ctx context.Context, snap *session.Snapshot) (*session.Snapshot, error) {
	return f.flight(ctx, snap, goalRefresh)
}

// Supersede returns snap with a newer credential than the one that ECGrid has
// just refused. Where there is none, it ends the session, but for a token that
// has expired: that one is given a refresh, and the session goes on while ECGrid
// gives no verdict. Its errors are those of refresh.
func (f *Refresher) Supersede(ctx context.Context, snap *session.Snapshot) (*session.Snapshot, error) {
	return f.flight(ctx, snap, goalSupersede)
}

// flight makes one attempt for all that ask for the same at once. It goes on
// when they give up, since others may wait for it, and its answer be on the way
// from ECGrid. The generation in the key parts those who come with an old
// cookie from those with a new one: a refresh of the one is no answer to the
// other.
func (f *Refresher) flight(ctx context.Context, snap *session.Snapshot, goal goal) (*session.Snapshot, error) {
	// The session's key is a hash, so those of two users never meet.
	key := fmt.Sprintf("%d %d %s", goal, snap.Record.Generation, snap.Keys.Session())
	// DoChan and not Do: each caller waits no longer than its own ctx
	// (TestACallerWithoutPatienceGetsItsOwnErrorAlone).
	done := f.flights.DoChan(key, func() (any, error) {
		next, err := snap, error(nil)
		// In a goroutine of underway's, so that Close waits for it: that of the
		// flight is not ours to count.
		finished := make(chan struct{})
		taken := f.underway.Start(maxRefreshes, func() {
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
		shared := &result.Val.(*session.Snapshot).Record
		return snap.WithCredential(shared.Generation, shared.Credential), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// attempt makes one for a session, from the newest that is known of it here. A
// token that only this process knows of may be all that was wanted: then nobody
// is asked.
func (f *Refresher) attempt(snap *session.Snapshot, goal goal) (*session.Snapshot, error) {
	newest := f.unpublished.newestOf(snap)
	if newest != snap && (goal == goalSupersede || !f.Due(&newest.Record.Credential, f.limits.NowMillis())) {
		return newest, nil
	}
	a := newAttempt(newest, goal)
	f.run(newest, &a)
	return f.outcome(newest, &a)
}

// run carries out what an attempt asks for until it is done. Its context is the
// refresher's and no request's: an attempt that stopped half-way would leave a
// claim behind for others to wait out.
func (f *Refresher) run(snap *session.Snapshot, a *attempt) {
	// swaps bounds what a ledger that is broken can cost; stepWait needs no
	// bound, since a lease always lapses.
	ctx, poll, swaps := f.stopped, firstPoll, session.MaxSwaps
	var asked *call
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
				found, err = session.Entry{}, fmt.Errorf("%w: the entry cannot be changed", session.ErrUnavailable)
				f.events.LedgerUnavailable(ctx, snap, err)
			}
			// After the call, which has a deadline of its own: what is measured
			// is a stop between two steps, such as SIGSTOP or a laptop's sleep.
			proven = time.Now()
			a.looked(found, err, f.sight(snap, a, &found))
		case stepSwap:
			stored, ok, err := f.Ledger.SwapEntry(ctx, &snap.Keys, a.was, a.next, f.timeToLive(snap, a))
			proven = time.Now()
			if ok && a.purpose == toAbort {
				// The backoff runs from here, not from the next request.
				f.sights.stood(snap.Keys.Session(), stored)
			}
			swaps--
			if err != nil {
				swaps -= faultCost
			}
			a.swapped(stored, ok, err)
		case stepAsk:
			asked = &call{}
			a.answered(f.ask(ctx, snap, a, asked))
			// No claim and no token: the next try waits for aloneEvery.
			if a.was.State != session.Refreshing && a.fresh.Token == "" {
				f.alone.mark(snap.Keys.Session())
			}
		case stepWait:
			if background.Sleep(poll, f.stopped.Done()) { // Close gives up
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
		f.Orphaned(snap, a.orphan)
	}
}

// look asks the ledger about a session. One that has ended with all of its
// user's is as good as ended by itself: no long request of it may go on. The
// attempt knows nothing of cut-offs: to it the session has an entry that says
// ended.
func (f *Refresher) look(ctx context.Context, snap *session.Snapshot) (session.Entry, error) {
	found, cutOff, err := f.Ledger.Look(ctx, &snap.Keys)
	if err == nil && cutOff > snap.Record.CutOff {
		found.State = session.Ended
	}
	return found, err
}

// call is how a call to ECGrid went.
type call struct {
	took time.Duration
	err  error
}

// tell tells what came of an attempt; asked is nil where ECGrid was not.
func (f *Refresher) tell(snap *session.Snapshot, a *attempt, asked *call) {
	var none call
	switch {
	// Also where ECGrid was not asked: an app's call was refused
	// (goalSupersede).
	case a.endedHere:
		if asked == nil {
			asked = &none
		}
		f.events.SessionEnded(f.stopped, snap, asked.took, asked.err)
	case asked == nil:
	case a.noVerdict:
		f.events.RefreshFailed(f.stopped, snap, asked.took, asked.err)
	case a.result == verdictPublished: // the snapshot is from before
		f.events.Refreshed(f.stopped, snap, a.credential.ExpiresAt, asked.took, asked.err)
	case a.result == verdictUnpublished:
		f.events.Refreshed(f.stopped, snap, a.fresh.ExpiresAt, asked.took, asked.err)
	}
}

// sight is what time has to say of an entry. It is made anew for each look: a
// wait may have lasted seconds.
func (f *Refresher) sight(snap *session.Snapshot, a *attempt, found *session.Entry) sight {
	_, credential := a.counts(found)
	now := f.limits.NowMillis()
	over := f.limits.PastEnd(&snap.Record, now)
	return sight{
		due:     f.Due(&credential, now) && !over,
		urgent:  f.urgent(&credential) && f.alone.since(snap.Keys.Session()) >= aloneEvery,
		expired: a.goal == goalSupersede && f.expired(&credential) && !over,
		stood:   f.sights.stood(snap.Keys.Session(), found.Stored),
		lease:   f.lease(),
	}
}

// timeToLive is how long the entry of a swap has something to say. The entry of
// a bearer session speaks of one token, and need not outlive it: who comes with
// an older cookie after that has an expired token, with or without it. Ended
// outlives every cookie.
func (f *Refresher) timeToLive(snap *session.Snapshot, a *attempt) time.Duration {
	if a.next.State == session.Ended || snap.Record.InLedger {
		return f.limits.UntilEnd(&snap.Record)
	}
	// A token without an expiry may live as long as the session.
	if a.next.Credential.ExpiresAt == 0 {
		return f.limits.UntilEnd(&snap.Record)
	}
	left := record.Time(a.next.Credential.ExpiresAt).Sub(f.limits.Now())
	return max(left, 2*f.lease()) + session.ClockSlack
}

// ask makes the one call to ECGrid; how long it took, and why it failed, goes
// into told. AuthTimeout is half the lease, so the answer is in before anybody
// may take over.
func (f *Refresher) ask(ctx context.Context, snap *session.Snapshot, a *attempt, told *call) reply {
	ctx, cancel := context.WithTimeout(ctx, f.AuthTimeout)
	defer cancel()
	began := f.limits.Now()
	grant, err := f.Upstream.Refresh(ctx, a.credential.Token, a.credential.RefreshToken)
	told.took = f.limits.Now().Sub(began)
	if err != nil {
		told.err = err
		// ECGrid has issued a token that cannot be used, which is a reason to end it.
		if grant.Token != "" {
			f.Orphaned(snap, record.Credential{Token: grant.Token})
		}
		var failure *ecgrid.Error
		return reply{refused: errors.As(err, &failure) && failure.Rejected()}
	}
	// It is for the attempt to end the session and revoke what came
	// (TestAnotherUsersTokenEndsTheSessionAndIsRevoked).
	// An answer that names no user is about the one whose token was sent.
	otherUser := grant.UserID != 0 && grant.UserID != snap.Record.UserID
	if otherUser {
		told.err = ErrOtherUser
	}
	return reply{
		otherUser: otherUser,
		granted: record.Credential{
			Token:        grant.Token,
			RefreshToken: cmp.Or(grant.RefreshToken, a.credential.RefreshToken), // RFC 6749, 6: kept where none is new
			IssuedAt:     f.limits.NowMillis(),
			ExpiresAt:    record.Millis(grant.ExpiresAt),
		},
	}
}

// outcome is what the requests get of an attempt. A session that is kept
// without a fresh token is no error to them: it works with the one that it has.
func (f *Refresher) outcome(snap *session.Snapshot, a *attempt) (*session.Snapshot, error) {
	next := *snap
	next.Record.Generation, next.Record.Credential = a.generation, a.credential
	switch a.result {
	case verdictEnded:
		return nil, session.ErrEnded
	case verdictUnknown:
		return nil, fmt.Errorf("%w: the session may have a newer token", session.ErrUnavailable)
	case verdictUnpublished:
		next.Record.Generation, next.Record.Credential = a.generation+1, a.fresh
		f.unpublished.later(snap, &next, *a)
	}
	return &next, nil
}
