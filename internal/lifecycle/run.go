package lifecycle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

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

	// faultCost is how many lost swaps one failed swap counts for: a process
	// that reads but cannot write must not ask over and over.
	faultCost = session.MaxSwaps / 4

	// aloneEvery is how often a session's token is tried without a claim, while
	// the ledger that keeps the backoff is down.
	aloneEvery = 5 * time.Second
)

// ErrOtherUser is the error of a credential that belongs to another user than
// the session.
var ErrOtherUser = errors.New("ecgridsession: the credential belongs to another user")

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
	AuthTimeout time.Duration // Config.AuthTimeout: what a person is made to wait
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

// runner carries out the steps of attempts.
type runner struct {
	Dependencies
	timing
	// sights is since when each entry is as it is, for leases and backoff.
	sights sightings
	// alone is about failed tries without a claim, whose backoff is in no entry.
	alone sightings

	stopped context.Context // done: Close has given up
	stop    context.CancelFunc
}

func newRunner(d Dependencies) *runner {
	stopped, stop := context.WithCancel(context.Background())
	return &runner{Dependencies: d, timing: timing{d.Limits, d.Before}, stopped: stopped, stop: stop}
}

// lease is how long a holder may take. Its call to ECGrid ends after half of it,
// so a holder that is over the lease has died or stopped.
func (r *runner) lease() time.Duration { return 2 * r.patience() }

// patience is how long the call to ECGrid may take. A request waits for less: a
// slow answer brings a token that nobody else will get, and must not be lost
// because a page would not wait for it.
func (r *runner) patience() time.Duration { return 3 * r.AuthTimeout }

// run carries out what an attempt asks for until it is done. Its context is the
// refresher's and no request's: an attempt that stopped half-way would leave a
// claim behind for others to wait out.
func (r *runner) run(snap *session.Snapshot, a *attempt) {
	// swaps bounds what a ledger that is broken can cost; stepWait needs no
	// bound, since a lease always lapses.
	ctx, poll, swaps := r.stopped, firstPoll, session.MaxSwaps
	var asked *call
	var proven time.Time // when the ledger last answered, by the monotonic clock
	for a.todo != stepDone {
		// Half a lease is what the call may take: with less than that left
		// another may take over before it is done
		// (TestAHolderThatWakesAndIsRefusedEndsNothing).
		if a.todo == stepAsk && time.Since(proven) > r.patience() {
			// The process was stopped in between: the lease may be another's.
			a.overslept()
		}
		switch a.todo {
		case stepLook:
			found, err := r.look(ctx, snap)
			if swaps <= 0 && err == nil {
				// It answers, and cannot be written to.
				found, err = session.Entry{}, fmt.Errorf("%w: the entry cannot be changed", session.ErrUnavailable)
				r.Events.LedgerUnavailable(ctx, snap, err)
			}
			// After the call, which has a deadline of its own: what is measured
			// is a stop between two steps, such as SIGSTOP or a laptop's sleep.
			proven = time.Now()
			a.looked(found, err, r.sight(snap, a, &found))
		case stepSwap:
			stored, ok, err := r.Ledger.SwapEntry(ctx, &snap.Keys, a.was, a.next, r.timeToLive(snap, a))
			proven = time.Now()
			if ok && a.purpose == toAbort {
				// The backoff runs from here, not from the next request.
				r.sights.stood(snap.Keys.Session(), stored, a.next.Pause)
			}
			swaps--
			if err != nil {
				swaps -= faultCost
			}
			a.swapped(stored, ok, err)
		case stepAsk:
			asked = &call{}
			said := r.ask(ctx, snap, a, asked)
			a.answered(said)
			// No claim and no token: there is no entry to keep the backoff.
			if a.was.State != session.Refreshing && a.fresh.Token == "" {
				r.alone.mark(snap.Keys.Session(), max(aloneEvery, said.pause))
			}
		case stepWait:
			if background.Sleep(poll, r.stopped.Done()) { // Close gives up
				a.finish(verdictKept)
				return
			}
			poll = min(2*poll, longestPoll)
			a.waited()
		}
	}
	// After the loop, so that each event is emitted once, and when it is known
	// how it came out.
	r.tell(snap, a, asked)
	if a.orphan.Token != "" {
		r.Orphaned(snap, a.orphan)
	}
}

// look asks the ledger about a session. One that has ended with all of its
// user's is as good as ended by itself: no long request of it may go on. The
// attempt knows nothing of cut-offs: to it the session has an entry that says
// ended.
func (r *runner) look(ctx context.Context, snap *session.Snapshot) (session.Entry, error) {
	found, cutOff, err := r.Ledger.Look(ctx, &snap.Keys)
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
func (r *runner) tell(snap *session.Snapshot, a *attempt, asked *call) {
	var none call
	switch {
	// Also where ECGrid was not asked: an app's call was refused
	// (goalSupersede).
	case a.endedHere:
		if asked == nil {
			asked = &none
		}
		r.Events.SessionEnded(r.stopped, snap, asked.took, asked.err)
	case asked == nil:
	case a.noVerdict:
		r.Events.RefreshFailed(r.stopped, snap, asked.took, asked.err)
	case a.result == verdictPublished: // the snapshot is from before
		r.Events.Refreshed(r.stopped, snap, a.credential.ExpiresAt, asked.took, asked.err)
	case a.result == verdictUnpublished:
		r.Events.Refreshed(r.stopped, snap, a.fresh.ExpiresAt, asked.took, asked.err)
	}
}

// sight is what time has to say of an entry. It is made anew for each look: a
// wait may have lasted seconds.
func (r *runner) sight(snap *session.Snapshot, a *attempt, found *session.Entry) sight {
	generation, credential := a.counts(found)
	now := r.limits.NowMillis()
	over := r.limits.PastEnd(&snap.Record, now)
	return sight{
		due:       r.Due(&credential, now) && !over,
		urgent:    r.urgent(&credential) && !r.alone.marked(snap.Keys.Session()),
		renewable: a.goal == goalSupersede && r.renewable(&credential, generation) && !over,
		stood:     r.sights.stood(snap.Keys.Session(), found.Stored, found.Pause),
		lease:     r.lease(),
	}
}

// timeToLive is how long the entry of a swap has something to say. The entry of
// a bearer session speaks of one token, and need not outlive it: who comes with
// an older cookie after that has an expired token, with or without it. Ended
// outlives every cookie.
func (r *runner) timeToLive(snap *session.Snapshot, a *attempt) time.Duration {
	if a.next.State == session.Ended || snap.Record.InLedger {
		return r.limits.UntilEnd(&snap.Record)
	}
	// A token without an expiry may live as long as the session.
	if a.next.Credential.ExpiresAt == 0 {
		return r.limits.UntilEnd(&snap.Record)
	}
	left := record.Time(a.next.Credential.ExpiresAt).Sub(r.limits.Now())
	return max(left, 2*r.lease()) + session.ClockSlack
}

// ask makes the one call to ECGrid; how long it took, and why it failed, goes
// into told. It may take half the lease, so the answer is in before another
// replica may take over.
func (r *runner) ask(ctx context.Context, snap *session.Snapshot, a *attempt, told *call) reply {
	ctx, cancel := context.WithTimeout(ctx, r.patience())
	defer cancel()
	began := r.limits.Now()
	grant, err := r.Upstream.Refresh(ctx, a.credential.Token, a.credential.RefreshToken)
	told.took = r.limits.Now().Sub(began)
	if err != nil {
		told.err = err
		// ECGrid has issued a token that cannot be used, which is a reason to end it.
		if grant.Token != "" {
			r.Orphaned(snap, record.Credential{Token: grant.Token})
		}
		var failure *ecgrid.Error
		if !errors.As(err, &failure) {
			return reply{}
		}
		return reply{refused: failure.Rejected(), final: failure.Final(), pause: failure.RetryAfter}
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
			IssuedAt:     r.limits.NowMillis(),
			ExpiresAt:    record.Millis(grant.ExpiresAt),
		},
	}
}
