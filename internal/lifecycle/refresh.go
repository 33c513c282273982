package lifecycle

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/ecgrid-contrib/ecgridsession/internal/background"
	"github.com/ecgrid-contrib/ecgridsession/internal/session"
)

// maxRefreshes bounds the refreshes under way in this process.
const maxRefreshes = 4096

// Refresher gives sessions a fresh token before theirs expires: one call to
// ECGrid however many requests ask, in this process by single flight and across
// replicas by the lease in the ledger. It is safe for concurrent use.
type Refresher struct {
	*runner
	// flights joins those that ask for the same in this process. With the
	// ledger it is for speed, since the lease would do; without it, it is all
	// that there is.
	flights singleflight.Group
	flying  flights
	// underway are the attempts, which outlive the requests that wait for them.
	underway background.Tasks
	// unpublished has the tokens that the ledger does not know of yet.
	unpublished *publisher
	// inUse keeps the sessions alive whose tokens are short-lived.
	inUse *keeper
}

// New returns a Refresher. Nothing is started yet.
func New(d Dependencies) *Refresher {
	r := newRunner(d)
	f := &Refresher{runner: r, unpublished: newPublisher(r)}
	f.inUse = newKeeper(r.timing, d.Ledger.Keys, f.refreshInBackground)
	return f
}

// Close is called once the server has shut down. It waits for the attempts and
// for the tokens that are not published, until ctx ends, and returns how many are
// left. Only then does it cut short those that wait. No session is kept alive
// after that.
func (f *Refresher) Close(ctx context.Context) (left int) {
	f.inUse.stop()
	left = f.underway.Close(ctx) // first: one that fails may leave a token to publish
	left += f.unpublished.close(ctx)
	f.stop()
	f.inUse.close(ctx) // each of them waits for one of the attempts
	return left
}

// Newest returns snap with the newest credential that this process knows of and
// the ledger may not, or snap itself.
func (f *Refresher) Newest(snap *session.Snapshot) *session.Snapshot {
	return f.unpublished.newestOf(snap)
}

// Touch notes that a session was used at the time seenAt, in ms, which its cookie
// now says. From then on this process refreshes its token when that is due, until
// the idle limit has passed. snap has the newest credential.
func (f *Refresher) Touch(snap *session.Snapshot, seenAt int64) { f.inUse.touch(snap, seenAt) }

// Forget notes that a session has ended. The ledger decides that, but it may be
// down.
func (f *Refresher) Forget(snap *session.Snapshot) { f.inUse.forget(snap.Keys.Session()) }

// courtesy is how long requests wait for a refresh while their token is good. It
// is counted from the beginning of the refresh, as AuthTimeout is for a token that
// has expired, so that a page of many calls waits once.
const courtesy = time.Second

// errSlow is what Supersede returns when the refresh takes too long.
var errSlow = fmt.Errorf("ecgridsession: the refresh is slow: %w", context.DeadlineExceeded)

// Refresh returns snap with the newest credential there is. While the token is
// good it waits a second at most, otherwise for AuthTimeout, and then returns
// snap itself. Its errors are session.ErrEnded, session.ErrUnavailable if the
// credential is known to be dead, and ctx's.
func (f *Refresher) Refresh(ctx context.Context, snap *session.Snapshot) (*session.Snapshot, error) {
	key, done := f.flight(snap, goalRefresh)
	wait := f.AuthTimeout
	if !f.expired(&snap.Record.Credential) {
		wait = courtesy
	}
	next, err := land(ctx, snap, done, wait-f.flying.since(key))
	if err == errSlow {
		return snap, nil
	}
	return next, err
}

// Supersede returns snap with a newer credential than the one that ECGrid has
// just refused. If there is none, it ends the session, unless a refresh may bring
// one: then it makes one, and the session stays open until ECGrid gives a
// verdict. Its errors are those of Refresh, and one if the refresh takes longer
// than AuthTimeout.
func (f *Refresher) Supersede(ctx context.Context, snap *session.Snapshot) (*session.Snapshot, error) {
	_, done := f.flight(snap, goalSupersede)
	return land(ctx, snap, done, f.AuthTimeout)
}

// refreshInBackground is Refresh for the sessions in use: no person waits.
func (f *Refresher) refreshInBackground(snap *session.Snapshot) (*session.Snapshot, error) {
	_, done := f.flight(snap, goalKeep)
	return landed(snap, <-done)
}

// flight makes one attempt for all that ask for the same at once. It continues
// when they give up, because others may wait for it, and its answer may be on
// the way from ECGrid. The generation in the key parts those who come with an old
// cookie from those with a new one: a refresh of the one is no answer to the
// other.
func (f *Refresher) flight(snap *session.Snapshot, goal goal) (key string, done <-chan singleflight.Result) {
	// The session's key is a hash, so those of two users never meet.
	key = fmt.Sprintf("%d %d %s", goal, snap.Record.Generation, snap.Keys.Session())
	// DoChan and not Do: each caller waits no longer than its own ctx
	// (TestACallerWithoutPatienceGetsItsOwnErrorAlone).
	return key, f.flights.DoChan(key, func() (any, error) {
		next, err := snap, error(nil)
		f.flying.begin(key)
		defer f.flying.end(key)
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
}

// land waits for a flight. Its result counts even if it comes as the wait ends.
func land(ctx context.Context, snap *session.Snapshot, done <-chan singleflight.Result, wait time.Duration) (*session.Snapshot, error) {
	timer := time.NewTimer(max(wait, 0))
	defer timer.Stop()
	err := errSlow
	select {
	case result := <-done:
		return landed(snap, result)
	case <-timer.C:
	case <-ctx.Done():
		err = ctx.Err()
	}
	select {
	case result := <-done:
		return landed(snap, result)
	default:
		return nil, err
	}
}

// landed is the result of a flight for one of its passengers. They may have come
// by different cookies, and share the credential.
func landed(snap *session.Snapshot, result singleflight.Result) (*session.Snapshot, error) {
	if result.Err != nil {
		return nil, result.Err
	}
	shared := &result.Val.(*session.Snapshot).Record
	return snap.WithCredential(shared.Generation, shared.Credential), nil
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
