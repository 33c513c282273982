package lifecycle

import (
	"context"
	"fmt"

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
	// underway are the attempts, which outlive the requests that wait for them.
	underway background.Tasks
	// unpublished has the tokens that the ledger does not know of yet.
	unpublished *publisher
}

// New returns a Refresher, for which nothing is started yet.
func New(d Dependencies) *Refresher {
	r := newRunner(d)
	return &Refresher{runner: r, unpublished: newPublisher(r)}
}

// Close is called once the server has shut down, and returns how many of either
// are left when ctx ends. Only then does stop cut short what still waits.
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

// Refresh returns snap with the newest credential there is. Its errors are
// session.ErrEnded, session.ErrUnavailable where the credential is known to be
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
