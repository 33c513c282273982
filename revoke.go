package ecgridsession

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/ecgrid-contrib/ecgridsession/internal/ecgrid"
	"github.com/ecgrid-contrib/ecgridsession/internal/record"
)

const (
	// Calls in flight to end tokens: from requests, and in the background. A
	// slow ECGrid must eat neither the process nor, by the background's tries,
	// the turn of users who are signing out.
	maxRequestRevocations    = 64
	maxBackgroundRevocations = 16

	// maxPendingRevocations bounds what waits in the background.
	maxPendingRevocations = 4096

	// maxAnswered is how often a call is made that ECGrid answers with "later":
	// its documentation allows three tries. One that it does not answer has
	// cost it nothing, and more of them outlast an outage of minutes.
	maxAnswered   = 3
	maxUnanswered = 8

	// The wait before another try doubles from the first to the longest;
	// Retry-After is honoured up to the longest.
	firstRetryWait   = time.Second
	longestRetryWait = time.Minute
)

// revocation is one session to be ended that a request could not, or did not
// wait to, end for good. It is owned by the goroutine that runs it and never
// shared.
type revocation struct {
	session    Session
	credential Credential // zero: ECGrid is done with it
	unended    *snapshot  // not nil: the ledger has not confirmed the end either

	answered, unanswered int           // failed tries so far
	wait                 time.Duration // asked for by ECGrid
}

// failedWith counts a failed try. It parts what ECGrid answered from what it
// did not, since only the former counts against its limit of tries; a wait that
// it asked for holds for the next try alone
// (TestAWaitThatECGridAskedForOnceDoesNotOutlastItsNextAnswer).
func (v *revocation) failedWith(err error) {
	if err == nil {
		return
	}
	v.wait = 0
	var upstream *UpstreamError
	if errors.As(err, &upstream) && upstream.StatusCode != 0 {
		v.answered++
		v.wait = upstream.RetryAfter
		return
	}
	v.unanswered++
}

// exhausted tells whether no try is left. While the ledger has not confirmed
// the end, that does not hang on ECGrid's answers.
func (v *revocation) exhausted() bool {
	return v.answered >= maxAnswered && v.unended == nil || v.unanswered >= maxUnanswered
}

// pause is how long to wait before the next try: none before the first. The
// shift cannot overflow: exhausted bounds the tries.
func (v *revocation) pause() time.Duration {
	tries := v.answered + v.unanswered
	if tries == 0 {
		return 0
	}
	wait := min(firstRetryWait<<(tries-1), longestRetryWait)
	// Half of it at random, so that those who failed together do not return
	// together.
	wait = wait/2 + rand.N(wait/2+1)
	return max(wait, min(v.wait, longestRetryWait))
}

// revoker ends tokens at ECGrid, in a user's request or after it. Each pending
// revocation is one goroutine, which ends by itself after a bounded number of
// tries; close waits for them.
//
// What comes here is over for the browser already; what is left is that ECGrid
// still takes the token (ASVS 5.0, 7.6.1) or, with unended, that the ledger has
// to be told. A revocation is not persisted: a process that dies with some
// pending leaves their tokens to expire (doc.go, Limits).
type revoker struct {
	m *Middleware
	// requests and background are semaphores: who sends has a place, and
	// receives to give it back. They are two, so that a thousand tries in the
	// background take no user's place.
	requests   chan struct{}
	background chan struct{}
	pending    tasks // those in the background, and the sign-outs under way

	// closing and stopped are the two stages of Close: first nobody waits any
	// more, then, when its context ends, nobody calls.
	closing   chan struct{} // closed: no more waiting between tries
	closeOnce sync.Once
	stopped   context.Context // done: no more tries
	stop      context.CancelFunc
}

func newRevoker(m *Middleware) *revoker {
	stopped, stop := context.WithCancel(context.Background())
	return &revoker{
		m:          m,
		requests:   make(chan struct{}, maxRequestRevocations),
		background: make(chan struct{}, maxBackgroundRevocations),
		closing:    make(chan struct{}),
		stopped:    stopped,
		stop:       stop,
	}
}

// revoke is the plain logout of a credential.
//
// The four outcomes, by what the answer proves: ECGrid's confirmation; its word
// that it knows no such token, which is what was wanted; an answer that no
// retry changes; and all else, a 401 without an envelope among it, which a
// gateway may have sent and which proves nothing.
func (v *revoker) revoke(ctx context.Context, c Credential) (LogoutOutcome, error) {
	err := v.m.ecgrid.Logout(ctx, c.auth())
	var failure *ecgrid.Error
	switch {
	case err == nil:
		return LogoutConfirmed, nil
	case !errors.As(err, &failure) || failure.Retryable():
		return LogoutPending, upstreamError("logout", err)
	case failure.Rejected():
		return LogoutAlreadyInvalid, nil
	default:
		return LogoutRefused, upstreamError("logout", err)
	}
}

// inRequest makes a call while a user waits, within ctx. A sign-out that gets
// no place in time is not turned away: the call goes to the background.
func (v *revoker) inRequest(ctx context.Context, call func() (LogoutOutcome, error)) (LogoutOutcome, error) {
	select {
	case v.requests <- struct{}{}:
		defer func() { <-v.requests }()
		return call()
	case <-ctx.Done():
		return LogoutPending, fmt.Errorf("ecgridsession: logout: too many calls under way: %w", ctx.Err())
	}
}

// later takes over a revocation. It returns at once. Where no more are taken it
// says so at once, by the event that always follows RevocationPending.
func (v *revoker) later(job revocation) {
	// Before it can be over.
	v.m.emit(context.Background(), Event{Kind: RevocationPending, Session: job.session})
	if !v.pending.start(maxPendingRevocations, func() { v.run(job) }) {
		v.gaveUp(job, 0, errors.New("ecgridsession: revocation not taken: too many are pending, or the middleware is closed"))
	}
}

// run tries until there is an answer that counts, and ends by itself after a
// bounded number of tries: no goroutine outlives them. No context of a request
// is in it, which would end with the answer.
func (v *revoker) run(job revocation) {
	for {
		last := sleep(job.pause(), v.closing)
		if v.stopped.Err() != nil {
			v.gaveUp(job, 0, errors.New("ecgridsession: revocation given up: the middleware was closed"))
			return
		}
		outcome, took, err := v.try(&job)
		if err == nil || outcome == LogoutRefused {
			v.report(job, outcome, took, err)
			return
		}
		job.failedWith(err)
		if last || job.exhausted() {
			v.gaveUp(job, took, err)
			return
		}
	}
}

// try tries once everything that is left of job. The ledger comes before
// ECGrid, as in a sign-out.
func (v *revoker) try(job *revocation) (outcome LogoutOutcome, took time.Duration, err error) {
	select {
	case v.background <- struct{}{}:
		defer func() { <-v.background }()
	case <-v.stopped.Done():
		return LogoutPending, 0, v.stopped.Err()
	}
	var ledgerErr error
	if job.unended != nil {
		var ended ending
		if ended, ledgerErr = v.m.end(v.stopped, job.unended); ledgerErr == nil {
			job.unended = nil
		}
		if ended.won {
			// Only now is it known what the newest credential was.
			job.credential = credentialOf(ended.newest, job.session.UserID)
		}
	}
	// The ledger may be down for long: what is known is revoked meanwhile.
	outcome, took, err = v.tryRevoke(job)
	if ledgerErr == nil {
		return outcome, took, err
	}
	if outcome != LogoutPending {
		job.credential = Credential{} // ECGrid is done with it; the ledger is not
	}
	return LogoutPending, took, errors.Join(ledgerErr, err)
}

var errTriesSpent = errors.New("ecgridsession: logout: ECGrid has been asked as often as it allows")

// tryRevoke calls ECGrid, where there is something left to revoke. A token that
// has long expired needs no call; clockSlack, since it is ECGrid's clock that
// counts and not ours.
func (v *revoker) tryRevoke(job *revocation) (outcome LogoutOutcome, took time.Duration, err error) {
	expired := !job.credential.ExpiresAt.IsZero() && v.m.now().After(job.credential.ExpiresAt.Add(clockSlack))
	if job.credential.isZero() || expired {
		return LogoutAlreadyInvalid, 0, nil
	}
	if job.answered >= maxAnswered {
		return LogoutPending, 0, errTriesSpent
	}
	ctx, cancel := context.WithTimeout(v.stopped, v.m.cfg.AuthTimeout)
	defer cancel()
	began := v.m.now()
	outcome, err = v.revoke(ctx, job.credential)
	return outcome, v.m.now().Sub(began), err
}

// report tells of a verdict, gaveUp of there being none: between them each
// RevocationPending is followed by one event.
func (v *revoker) report(job revocation, outcome LogoutOutcome, took time.Duration, err error) {
	kind := RevocationDone
	if outcome == LogoutRefused {
		kind = RevocationGaveUp
	}
	v.m.emit(context.Background(), Event{Kind: kind, Session: job.session, Outcome: outcome, Duration: took, Err: err})
}

// gaveUp has LogoutPending for an outcome: what became of the token is not
// known.
func (v *revoker) gaveUp(job revocation, took time.Duration, err error) {
	v.m.emit(context.Background(), Event{
		Kind: RevocationGaveUp, Session: job.session, Outcome: LogoutPending, Duration: took, Err: err,
	})
}

// close lets each pending revocation try once more, without waiting, and
// returns when all are done, or ctx is. It returns how many are left.
func (v *revoker) close(ctx context.Context) (left int) {
	v.closeOnce.Do(func() { close(v.closing) })
	left = v.pending.close(ctx)
	v.stop()
	return left
}

// revokeLater hands a credential of a session, which nobody is to use any more,
// to the background.
func (m *Middleware) revokeLater(snap *snapshot, kept record.Credential) {
	session := m.describe(snap)
	m.revoker.later(revocation{session: session, credential: credentialOf(kept, session.UserID)})
}
