package ecgridsession

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/ecgrid-contrib/ecgridsession/internal/record"
)

// attempt is one try to move a session's ledger entry, as a machine that does no
// I/O and reads no clock: it says what to do next, and is told what came of it.
// refresh.go and end.go carry out what it says; the exploration in the tests
// runs it through every interleaving.
//
// An attempt asks ECGrid at most once, and only while it holds the lease: the
// refreshing state with its own holder number. What it got from ECGrid it
// either publishes or gives up as an orphan, to be revoked.
type attempt struct {
	goal   goal
	todo   step
	result verdict // set with stepDone

	// generation and credential are the newest that the attempt knows of.
	generation uint64
	credential record.Credential
	inLedger   bool // the session has an entry from the start
	holder     uint64

	// purpose, was and next are of stepSwap.
	purpose   purpose
	was, next entry

	asked bool // ECGrid has been asked
	// fresh is what ECGrid gave and nobody else knows of yet; orphan is such a
	// credential that nobody will use.
	fresh, orphan record.Credential
	noVerdict     bool // ECGrid was asked and did not say
	endedHere     bool // this attempt ended the session, on ECGrid's word
}

// goal is what an attempt is for.
type goal int

const (
	// goalRefresh: a fresh token, where the present one is due.
	goalRefresh goal = iota
	// goalSupersede: a newer credential than one that ECGrid has refused in an
	// app's own call. Where there is none, the session ends.
	goalSupersede
	// goalEnd: the end of the session, from whatever state.
	goalEnd
)

// step is what an attempt wants done.
type step int

const (
	stepLook step = iota // look at the session's entry, then call looked
	stepSwap             // put next in the place of was, then call swapped
	stepAsk              // refresh credential at ECGrid, then call answered
	stepWait             // somebody else holds the lease: wait a little, then look
	stepDone
)

// purpose is which transition a swap makes.
type purpose int

const (
	toClaim purpose = iota
	toPublish
	toAbort
	toEnd
)

// verdict is how an attempt came out.
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

// newAttempt starts from what a request knows of its session.
func newAttempt(snap *snapshot, goal goal) attempt {
	return attempt{
		goal:       goal,
		generation: snap.record.Generation,
		credential: snap.record.Credential,
		inLedger:   snap.record.InLedger,
		holder:     rand.Uint64(),
	}
}

// sight is what an attempt may know of time.
type sight struct {
	due     bool // the credential that counts is to be refreshed
	urgent  bool // it will not last until the ledger may be back
	expired bool // it has, so that its refusal says nothing of the session
	// stood is how long the very same bytes have stood in the ledger, on this
	// process's monotonic clock. No two clocks are ever compared.
	stood time.Duration
	lease time.Duration // after which a holder counts as gone
}

// counts is the generation and credential to go by when found is the entry.
func (a *attempt) counts(found *entry) (uint64, record.Credential) {
	known := found.state == entryLive || found.state == entryRefreshing
	if known && (found.generation > a.generation || a.inLedger) {
		return found.generation, found.credential
	}
	return a.generation, a.credential
}

// looked tells what the ledger holds.
func (a *attempt) looked(found entry, err error, at sight) {
	switch {
	case a.goal == goalEnd && errors.Is(err, errEntryUnreadable):
		// Overwritten: from now on it is an entry of ours again.
		a.swap(toEnd, found, entry{state: entryEnded})
	case errors.Is(err, errEntryUnreadable),
		err == nil && found.state == entryEnded,
		err == nil && found.state == entryNone && a.inLedger:
		a.forsake()
		a.finish(verdictEnded)
	case a.fresh.Token != "":
		a.lookedWithFresh(found, err)
	case err != nil:
		a.lookedInVain(at)
	default:
		a.lookedAround(found, at)
	}
}

// lookedAround decides on an entry while there is nothing of ours to publish.
func (a *attempt) lookedAround(found entry, at sight) {
	generation, credential := a.counts(&found)
	superseded := a.goal == goalSupersede && credential != a.credential
	a.generation, a.credential = generation, credential
	// An entry older than the cookie is of a refresh whose end the ledger
	// missed: nobody holds anything by it.
	stale := found.generation < a.generation
	switch {
	case a.goal == goalEnd:
		a.swap(toEnd, found, entry{state: entryEnded})
	case superseded:
		a.finish(verdictKept)
	case found.state == entryRefreshing && found.holder == a.holder && !stale && !a.asked:
		a.was = found // our claim, whose confirmation was lost
		a.todo = stepAsk
	case found.state == entryRefreshing && !stale && at.stood < at.lease:
		a.todo = stepWait
	case a.goal == goalSupersede && !at.expired:
		a.swap(toEnd, found, entry{state: entryEnded})
	case !at.due && !at.expired, a.asked:
		a.finish(verdictKept)
	case found.state == entryLive && !stale && at.stood < backoff(found.failures):
		a.finish(verdictKept)
	default:
		claim := entry{state: entryRefreshing, generation: a.generation, credential: a.credential, holder: a.holder}
		if !stale {
			claim.failures = found.failures
		}
		a.swap(toClaim, found, claim)
	}
}

// lookedInVain decides without the ledger. A token that will last waits for it;
// else it is refreshed without a claim, under the single flight of the process
// alone.
func (a *attempt) lookedInVain(at sight) {
	switch {
	case a.inLedger, a.goal != goalRefresh:
		a.finish(verdictUnknown)
	case at.urgent && !a.asked:
		a.was = entry{}
		a.todo = stepAsk
	default:
		a.finish(verdictKept)
	}
}

// lookedWithFresh decides where to put what ECGrid has given us. Whoever else
// is refreshing the credential before it is bound to be refused, so it goes
// over their claim too.
func (a *attempt) lookedWithFresh(found entry, err error) {
	switch {
	case err != nil:
		a.finish(verdictUnpublished)
	case found.generation <= a.generation:
		a.swap(toPublish, found, a.successor())
	case found.credential.Token == a.fresh.Token:
		a.adoptFresh()
		a.finish(verdictPublished) // the confirmation was lost, or is ours from before
	default:
		a.forsake()
		a.generation, a.credential = found.generation, found.credential
		a.finish(verdictKept)
	}
}

// successor is the entry that tells everybody of what ECGrid gave.
func (a *attempt) successor() entry {
	return entry{state: entryLive, generation: a.generation + 1, credential: a.fresh}
}

// swapped tells what came of stepSwap; stored are the bytes that now stand in
// the ledger. Whatever is uncertain is settled by another look.
func (a *attempt) swapped(stored []byte, ok bool, err error) {
	if err == nil && ok {
		a.next.stored = stored
		switch a.purpose {
		case toClaim:
			a.was = a.next
			a.todo = stepAsk
		case toPublish:
			a.adoptFresh()
			a.finish(verdictPublished)
		case toAbort:
			a.finish(verdictKept)
		case toEnd:
			a.endedHere = true
			a.finish(verdictEnded)
		}
		return
	}
	switch {
	case err != nil && a.purpose == toAbort:
		a.finish(verdictKept) // the lease lapses by itself
	case err != nil && a.purpose == toEnd:
		a.finish(verdictUnknown)
	default:
		a.todo = stepLook
	}
}

// reply is ECGrid's answer to stepAsk.
type reply struct {
	granted   record.Credential // a token, or nothing
	otherUser bool              // granted is of another user
	refused   bool              // ECGrid's verdict on the credential
}

// answered tells what ECGrid said.
func (a *attempt) answered(r reply) {
	a.asked = true
	claimed := a.was.state == entryRefreshing
	switch {
	case r.otherUser:
		a.orphan = r.granted
		a.end(claimed)
	case r.granted.Token != "":
		a.fresh = r.granted
		if !claimed {
			a.finish(verdictUnpublished)
			return
		}
		a.swap(toPublish, a.was, a.successor())
	case r.refused:
		a.end(claimed)
	default:
		a.noVerdict = true
		if !claimed {
			a.finish(verdictKept)
			return
		}
		back := entry{state: entryLive, generation: a.generation, credential: a.credential, failures: a.was.failures + 1}
		a.swap(toAbort, a.was, back)
	}
}

// end marks the session as ended while our claim stands. If it does not stand
// any more, somebody else may have a newer credential.
func (a *attempt) end(claimed bool) {
	if !claimed {
		a.finish(verdictUnknown)
		return
	}
	a.swap(toEnd, a.was, entry{state: entryEnded})
}

// overslept tells that a good part of the lease has passed since the claim, by a
// process that was stopped: somebody else may have taken it over.
func (a *attempt) overslept() {
	if a.todo == stepAsk {
		a.todo = stepLook
	}
}

// waited tells that a little time has passed.
func (a *attempt) waited() { a.todo = stepLook }

// resume takes an unpublished attempt up again.
func (a *attempt) resume() { a.todo = stepLook }

func (a *attempt) swap(p purpose, was, next entry) {
	a.purpose, a.was, a.next = p, was, next
	a.todo = stepSwap
}

func (a *attempt) finish(v verdict) {
	a.todo, a.result = stepDone, v
}

// adoptFresh makes what ECGrid gave the newest that is known.
func (a *attempt) adoptFresh() {
	a.generation++
	a.credential, a.fresh = a.fresh, record.Credential{}
}

// forsake gives up what ECGrid gave, so that it is revoked.
func (a *attempt) forsake() {
	if a.fresh.Token != "" {
		a.orphan, a.fresh = a.fresh, record.Credential{}
	}
}

const (
	firstBackoff   = time.Second
	longestBackoff = 30 * time.Second
)

// backoff is how long a credential is left alone after so many refreshes in a
// row without a verdict.
func backoff(failures uint64) time.Duration {
	if failures == 0 {
		return 0
	}
	return min(firstBackoff<<min(failures-1, 10), longestBackoff)
}
