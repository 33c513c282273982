// Package revoke ends tokens at ECGrid, within a user's request or after it.
//
// It promises that what it takes over is tried a bounded number of times, that
// neither a slow ECGrid nor a shutdown holds a user up, and that each outcome is
// reported once. It does not know why a token is over, nor how a session ends in
// the ledger: that is a function it is given.
package revoke

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/ecgrid-contrib/ecgridsession/internal/background"
	"github.com/ecgrid-contrib/ecgridsession/internal/ecgrid"
	"github.com/ecgrid-contrib/ecgridsession/internal/record"
	"github.com/ecgrid-contrib/ecgridsession/internal/session"
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

// Outcome is what became of a token at ECGrid.
type Outcome int

// The outcomes, in the order of ecgridsession.LogoutOutcome.
const (
	// None: there was no token to end.
	None Outcome = iota
	// Confirmed: ECGrid ended it.
	Confirmed
	// AlreadyInvalid: ECGrid no longer knew it.
	AlreadyInvalid
	// Pending: there was no answer that counts.
	Pending
	// Refused: an answer that a retry cannot mend.
	Refused
)

// Job is one session to be ended that a request could not, or did not
// wait to, end for good. It is owned by the goroutine that runs it and never
// shared.
type Job struct {
	Credential record.Credential // zero: ECGrid is done with it
	Unended    Unended           // not nil: the ledger has not confirmed the end either
	// Dead: ECGrid no longer knows the token. Its refresh token may live on.
	Dead bool
	Told Told

	answered, unanswered int           // failed tries so far
	wait                 time.Duration // asked for by ECGrid
}

// Unended ends in the ledger what a sign-out could not. won reports whether this
// call did it, and newest is then the credential to revoke.
type Unended func(context.Context) (newest record.Credential, won bool, err error)

// Told is told what becomes of a Job: each Pending is followed by one of the
// others.
type Told interface {
	Pending()
	Done(outcome Outcome, took time.Duration)
	GaveUp(outcome Outcome, took time.Duration, err error)
}

// FailedWith counts a failed try. It parts what ECGrid answered from what it
// did not, since only the former counts against its limit of tries; a wait that
// it asked for holds for the next try alone
// (TestAWaitThatECGridAskedForOnceDoesNotOutlastItsNextAnswer).
func (v *Job) FailedWith(err error) {
	if err == nil {
		return
	}
	v.wait = 0
	var upstream *ecgrid.Error
	if errors.As(err, &upstream) && upstream.Status != 0 {
		v.answered++
		v.wait = upstream.RetryAfter
		return
	}
	v.unanswered++
}

// exhausted tells whether no try is left. While the ledger has not confirmed
// the end, that does not hang on ECGrid's answers.
func (v *Job) exhausted() bool {
	return v.answered >= maxAnswered && v.Unended == nil || v.unanswered >= maxUnanswered
}

// pause is how long to wait before the next try: none before the first. The
// shift cannot overflow: exhausted bounds the tries.
func (v *Job) pause() time.Duration {
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

// Revoker ends tokens at ECGrid, in a user's request or after it. Each pending
// revocation is one goroutine, which ends by itself after a bounded number of
// tries; close waits for them.
//
// What comes here is over for the browser already; what is left is that ECGrid
// still takes the token (ASVS 5.0, 7.6.1) or, with unended, that the ledger has
// to be told. A revocation is not persisted: a process that dies with some
// pending leaves their tokens to expire (package ecgridsession, Limits).
type Revoker struct {
	Dependencies
	// requests and background are semaphores: who sends has a place, and
	// receives to give it back. They are two, so that a thousand tries in the
	// background take no user's place.
	requests   chan struct{}
	background chan struct{}
	pending    background.Tasks // those in the background, and the sign-outs under way

	// closing and stopped are the two stages of Close: first nobody waits any
	// more, then, when its context ends, nobody calls.
	closing   chan struct{} // closed: no more waiting between tries
	closeOnce sync.Once
	stopped   context.Context // done: no more tries
	stop      context.CancelFunc
}

// Dependencies are what a Revoker works with.
type Dependencies struct {
	Upstream Upstream
	Now      func() time.Time
	Timeout  time.Duration // of a call in the background
}

// Upstream ends a token at ECGrid. Its errors wrap an [*ecgrid.Error] if ECGrid
// said no. A grant that comes with an error holds a token that has to be ended.
type Upstream interface {
	Logout(ctx context.Context, auth ecgrid.Auth) error
	Refresh(ctx context.Context, token, refreshToken string) (ecgrid.Grant, error)
}

// New returns a Revoker, for which nothing is started yet.
func New(d Dependencies) *Revoker {
	stopped, stop := context.WithCancel(context.Background())
	return &Revoker{
		Dependencies: d,
		requests:     make(chan struct{}, maxRequestRevocations),
		background:   make(chan struct{}, maxBackgroundRevocations),
		closing:      make(chan struct{}),
		stopped:      stopped,
		stop:         stop,
	}
}

// Hold makes Close wait until release is called: for a sign-out that may yet
// leave something to the background.
func (v *Revoker) Hold() (release func()) { return v.pending.Hold() }

// Revoke is the plain logout of a credential.
//
// The four outcomes, by what the answer proves: ECGrid's confirmation; its word
// that it knows no such token, which is what was wanted; an answer that no
// retry changes; and all else, a 401 without an envelope among it, which a
// gateway may have sent and which proves nothing.
func (v *Revoker) Revoke(ctx context.Context, c record.Credential) (Outcome, error) {
	return outcomeOf(v.Upstream.Logout(ctx, ecgrid.Auth{Bearer: c.Token, APIKey: c.APIKey}))
}

// outcomeOf is what the answer to a call proves of the credential that it carried.
func outcomeOf(err error) (Outcome, error) {
	var failure *ecgrid.Error
	switch {
	case err == nil:
		return Confirmed, nil
	case !errors.As(err, &failure) || failure.Retryable():
		return Pending, err
	case failure.Rejected():
		return AlreadyInvalid, nil
	default:
		return Refused, err
	}
}

// InRequest makes a call while a user waits, within ctx. A sign-out that gets
// no place in time is not turned away: the call goes to the background.
func (v *Revoker) InRequest(ctx context.Context, call func() (Outcome, error)) (Outcome, error) {
	select {
	case v.requests <- struct{}{}:
		defer func() { <-v.requests }()
		return call()
	case <-ctx.Done():
		return Pending, fmt.Errorf("ecgridsession: logout: too many calls under way: %w", ctx.Err())
	}
}

// Later takes over a revocation. It returns at once. Where no more are taken it
// says so at once, by the event that always follows RevocationPending.
func (v *Revoker) Later(job Job) {
	// Before it can be over.
	job.Told.Pending()
	if !v.pending.Start(maxPendingRevocations, func() { v.run(job) }) {
		v.gaveUp(job, 0, errors.New("ecgridsession: revocation not taken: too many are pending, or the middleware is closed"))
	}
}

// run tries until there is an answer that counts, and ends by itself after a
// bounded number of tries: no goroutine outlives them. No context of a request
// is in it, which would end with the answer.
func (v *Revoker) run(job Job) {
	for {
		last := background.Sleep(job.pause(), v.closing)
		if v.stopped.Err() != nil {
			v.gaveUp(job, 0, errors.New("ecgridsession: revocation given up: the middleware was closed"))
			return
		}
		outcome, took, err := v.try(&job)
		if err == nil || outcome == Refused {
			v.report(job, outcome, took, err)
			return
		}
		job.FailedWith(err)
		if last || job.exhausted() {
			v.gaveUp(job, took, err)
			return
		}
	}
}

// try tries once everything that is left of job. The ledger comes before
// ECGrid, as in a sign-out.
func (v *Revoker) try(job *Job) (outcome Outcome, took time.Duration, err error) {
	select {
	case v.background <- struct{}{}:
		defer func() { <-v.background }()
	case <-v.stopped.Done():
		return Pending, 0, v.stopped.Err()
	}
	var ledgerErr error
	if job.Unended != nil {
		newest, won, err := job.Unended(v.stopped)
		if ledgerErr = err; err == nil {
			job.Unended = nil
		}
		if won {
			// Only now is it known what the newest credential was.
			job.Credential, job.Dead = newest, false
		}
	}
	// The ledger may be down for long: what is known is revoked meanwhile.
	outcome, took, err = v.tryRevoke(job)
	if ledgerErr == nil {
		return outcome, took, err
	}
	if outcome != Pending {
		job.Credential = record.Credential{} // ECGrid is done with it; the ledger is not
	}
	return Pending, took, errors.Join(ledgerErr, err)
}

var errTriesSpent = errors.New("ecgridsession: logout: ECGrid has been asked as often as it allows")

// NeedsRefresh reports whether c has expired and its refresh token lives on.
// ECGrid refuses the logout of an expired token, so it is refreshed first, and
// the logout is of what came. That is two calls, and not for a user to wait for.
func (v *Revoker) NeedsRefresh(c record.Credential) bool {
	return c.RefreshToken != "" && v.expiredFor(c, 0)
}

func (v *Revoker) expiredFor(c record.Credential, d time.Duration) bool {
	return c.ExpiresAt != 0 && v.Now().After(record.Time(c.ExpiresAt).Add(d))
}

// tryRevoke calls ECGrid if there is something left to revoke. A token that
// has long expired needs no call, unless it has a refresh token.
// session.ClockSlack, because ECGrid's clock counts and not ours.
func (v *Revoker) tryRevoke(job *Job) (outcome Outcome, took time.Duration, err error) {
	c := &job.Credential
	refresh := v.NeedsRefresh(*c) || job.Dead && c.RefreshToken != ""
	if c.Token == "" && c.APIKey == "" || !refresh && (job.Dead || v.expiredFor(*c, session.ClockSlack)) {
		return AlreadyInvalid, 0, nil
	}
	if job.answered >= maxAnswered {
		return Pending, 0, errTriesSpent
	}
	ctx, cancel := context.WithTimeout(v.stopped, v.Timeout)
	defer cancel()
	began := v.Now()
	if !refresh {
		outcome, err = v.Revoke(ctx, *c)
		// The token is dead, and its refresh token may not be.
		refresh = outcome == AlreadyInvalid && c.RefreshToken != ""
		job.Dead = refresh
	}
	if refresh {
		if outcome, err = v.refresh(ctx, job); outcome == Confirmed {
			outcome, err = v.Revoke(ctx, *c)
		}
	}
	return outcome, v.Now().Sub(began), err
}

// refresh exchanges the refresh token of job for a token whose logout ends both.
// Confirmed: job has it. What came stays in job, because the refresh token works
// once.
func (v *Revoker) refresh(ctx context.Context, job *Job) (Outcome, error) {
	grant, err := v.Upstream.Refresh(ctx, job.Credential.Token, job.Credential.RefreshToken)
	// Whatever is wrong with the grant, its token is to be ended.
	if grant.Token != "" {
		job.Dead = false
		job.Credential = record.Credential{
			Token: grant.Token, RefreshToken: grant.RefreshToken, IssuedAt: v.Now().UnixMilli(), ExpiresAt: record.Millis(grant.ExpiresAt),
		}
		return Confirmed, nil
	}
	return outcomeOf(err)
}

// report tells of a verdict, gaveUp of there being none: between them each
// RevocationPending is followed by one event.
func (v *Revoker) report(job Job, outcome Outcome, took time.Duration, err error) {
	if outcome == Refused {
		job.Told.GaveUp(outcome, took, err)
		return
	}
	job.Told.Done(outcome, took)
}

// gaveUp has Pending for an outcome: what became of the token is not
// known.
func (v *Revoker) gaveUp(job Job, took time.Duration, err error) {
	job.Told.GaveUp(Pending, took, err)
}

// Close lets each pending revocation try once more, without waiting, and
// returns when all are done, or ctx is. It returns how many are left.
func (v *Revoker) Close(ctx context.Context) (left int) {
	v.closeOnce.Do(func() { close(v.closing) })
	left = v.pending.Close(ctx)
	v.stop()
	return left
}
