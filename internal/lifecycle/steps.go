package lifecycle

import (
	"time"

	"github.com/ecgrid-contrib/ecgridsession/internal/record"
)

// The words of an attempt: what it is for, what it wants done, what it is told,
// and what its result is.

// goal is what an attempt is for.
type goal int

const (
	// goalRefresh: a fresh token, where the present one is due.
	goalRefresh goal = iota
	// goalKeep: the same, with no request that waits for it. It never asks without
	// a claim: while the ledger is down, the token of a replica that nobody uses
	// would be unknown to the replica that the user is on.
	goalKeep
	// goalSupersede: a newer credential than one that ECGrid has refused in an
	// app's own call. Where there is none, the session ends.
	goalSupersede
	// goalEnd: the end of the session, from whatever state.
	goalEnd
)

// step is what an attempt wants done. Each but the last is answered by one call
// of the method that it names.
type step int

const (
	stepLook step = iota // look at the session's entry, then call looked
	stepSwap             // put next in the place of was, then call swapped
	stepAsk              // refresh credential at ECGrid, then call answered
	stepWait             // somebody else holds the lease: wait a little, then call waited
	stepDone
)

// purpose is which transition a swap makes. swapped needs it: a swap that was
// lost means something else for each of them.
type purpose int

const (
	toClaim purpose = iota
	toPublish
	toAbort
	toEnd
)

// verdict is how an attempt came out. A Refresher turns it into what requests
// get, and End does the same for a sign-out.
type verdict int

const (
	// verdictKept: generation and credential are what there is to use.
	verdictKept verdict = iota
	// verdictPublished: the same, and this attempt has just refreshed them.
	verdictPublished
	// verdictUnpublished: the same, but the ledger does not know yet.
	verdictUnpublished
	// verdictEnded: the session has ended.
	verdictEnded
	// verdictUnknown: the credential is dead, and the ledger, which may have a
	// newer one, cannot be asked.
	verdictUnknown
)

// sight is what an attempt may know of time.
type sight struct {
	due    bool // the credential that counts is to be refreshed
	urgent bool // it will not last until the ledger may be back
	// renewable: that ECGrid refused the credential says nothing about the
	// session, and a refresh may bring another. It has expired, or there is a
	// refresh token.
	renewable bool
	// stood is how long the very same bytes have stood in the ledger, on this
	// process's monotonic clock. No two clocks are ever compared.
	stood time.Duration
	lease time.Duration // after which a holder counts as gone
}

// reply is ECGrid's answer to stepAsk. The zero value is no verdict: a timeout,
// 429, 5xx, or an answer that cannot be used.
type reply struct {
	granted   record.Credential // a token, or nothing
	otherUser bool              // granted belongs to another user
	refused   bool              // ECGrid's verdict on the credential
	// final: ECGrid said no, for a reason that no retry can change and that is
	// no verdict on the credential.
	final bool
	pause time.Duration // how long ECGrid asked to be left alone
}
