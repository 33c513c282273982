package lifecycle

import (
	"time"

	"github.com/ecgrid-contrib/ecgridsession/internal/record"
	"github.com/ecgrid-contrib/ecgridsession/internal/session"
)

// When a token is to be refreshed: sums of milliseconds, and nothing that calls
// anybody. due is asked on every request, so it takes the time that the request
// has read already.
//
// All of them go by the token's life as it was measured here at its arrival
// (IssuedAt by the clock of the host that received it, ExpiresAt by ECGrid's),
// and they err on the early side: a token that is refreshed too early costs one
// call, and one that is refreshed too late is refused by ECGrid, which costs
// the session.

const (
	// minTokenAge keeps a clock that runs ahead of ECGrid's from refreshing in
	// a loop what seems to be due as soon as it is issued.
	minTokenAge = 250 * time.Millisecond

	// tokenAgeWithoutLife is the same for a clock so far ahead that a new token
	// seems to have expired.
	tokenAgeWithoutLife = 30 * time.Second

	// justRefreshed is how old a token is at most whose refusal cannot be for its
	// age.
	justRefreshed = 5 * time.Second
)

// timing says when a token is due, by this process's clock.
type timing struct {
	limits *session.Limits
	before time.Duration // Config.RefreshBefore
}

// Due reports whether a credential is to be refreshed now. An API key and a
// token without an expiry never are.
func (t *timing) Due(c *record.Credential, now int64) bool {
	if c.Token == "" || c.ExpiresAt == 0 {
		return false
	}
	return now >= t.dueAt(c)
}

// dueAt is in milliseconds since the Unix epoch, as records are.
func (t *timing) dueAt(c *record.Credential) int64 {
	life := c.ExpiresAt - c.IssuedAt
	if life <= 0 {
		return c.IssuedAt + tokenAgeWithoutLife.Milliseconds()
	}
	return max(c.ExpiresAt-t.lead(c), c.IssuedAt+minTokenAge.Milliseconds())
}

// lead is how long before its expiry a token is refreshed. Half of its life at
// most, or a token of three minutes under a RefreshBefore of five would be due
// the moment it came.
func (t *timing) lead(c *record.Credential) int64 {
	return min(t.before.Milliseconds(), (c.ExpiresAt-c.IssuedAt)/2)
}

// urgent reports whether a due token is so near its expiry that it is refreshed
// even where the ledger cannot be asked. In the first three quarters of the
// lead the token waits for the ledger to come back: a refresh without a claim
// may be made by every replica at once, and all but one of them be refused.
func (t *timing) urgent(c *record.Credential) bool {
	return t.limits.NowMillis() >= c.ExpiresAt-t.lead(c)/4
}

// expired reports whether a token is past its expiry by this process's clock.
func (t *timing) expired(c *record.Credential) bool {
	return c.Token != "" && c.ExpiresAt != 0 && t.limits.NowMillis() >= c.ExpiresAt
}

// renewable reports whether ECGrid's refusal of a token in a call says nothing
// about the session. The token has expired, or it may have by ECGrid's clock, and
// a refresh token brings another. Only a token that a refresh has just brought is
// not refused for its age: otherwise each call could make one refresh.
func (t *timing) renewable(c *record.Credential, generation uint64) bool {
	if t.expired(c) {
		return true
	}
	age := t.limits.NowMillis() - c.IssuedAt
	return c.Token != "" && c.RefreshToken != "" && (generation == 0 || max(age, -age) >= justRefreshed.Milliseconds())
}

const (
	// The longest is below the default RefreshBefore, so that an outage that is
	// over in time is noticed in time.
	firstBackoff   = time.Second
	longestBackoff = 30 * time.Second
)

// backoff is how long a credential is left alone after so many refreshes in a
// row without a verdict. It has no random part: the sessions' tokens were
// issued at different times, and so their backoffs do not begin together. The
// shift is bounded before it is done, or a count from the ledger could make the
// pause overflow.
func backoff(failures uint64) time.Duration {
	if failures == 0 {
		return 0
	}
	return min(firstBackoff<<min(failures-1, 10), longestBackoff)
}
