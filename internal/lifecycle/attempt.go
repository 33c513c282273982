package lifecycle

import (
	"errors"
	"math/rand/v2"

	"github.com/ecgrid-contrib/ecgridsession/internal/record"
	"github.com/ecgrid-contrib/ecgridsession/internal/session"
)

// attempt is one try to move a session's ledger entry, as a machine that does no
// I/O and reads no clock: it says what to do next, and is told what came of it.
// run.go and end.go carry out what it says; the exploration in the tests runs it
// through every interleaving.
//
// An attempt asks ECGrid at most once, and only while it holds the lease, the
// refreshing state with its own holder number, but for an urgent token while
// the ledger is down. What it got from ECGrid it either publishes or gives up
// as an orphan, to be revoked.
//
// It decides on every transition except the first entry of a credential that is
// kept in the ledger. It is a machine because nothing else could be explored:
// with the calls and the clock inside, the scheduler would choose the order in
// which two replicas meet, and a test would find the interleavings that happen
// and not those that may.
//
// One goroutine runs an attempt at a time, so nothing in it is locked. Whoever
// runs it alternates between doing what todo says and telling what came of it
// by the method that is named beside the step, until stepDone.
type attempt struct {
	goal   goal
	todo   step
	result verdict // set with stepDone

	// generation and credential are the newest that the attempt knows of.
	generation uint64
	credential record.Credential
	// inLedger: the session had an entry from the start. No entry then means
	// that the ledger has lost it, and that ends the session; for another
	// session it means that nothing has happened yet.
	inLedger bool
	// holder is drawn anew for each attempt: a process that finds its own
	// number in a claim knows that its swap went through though the answer was
	// lost.
	holder uint64

	// purpose, was and next are of stepSwap.
	purpose   purpose
	was, next session.Entry

	// asked: ECGrid has been asked. It stays set whatever came of it, for a
	// second call with one token is what ends a session that goes on: ECGrid
	// may have ended the token at the first, even if the answer was lost.
	asked bool
	// fresh is what ECGrid gave and nobody else knows of yet; orphan is such a
	// credential that nobody will use.
	fresh, orphan record.Credential
	// noVerdict: ECGrid was asked and did not say. Its own verdict on a
	// credential is meant, here and in reply, and not the type below.
	noVerdict bool
	// endedHere: this attempt ended the session, on ECGrid's word or by
	// goalEnd. At most one attempt anywhere has it, by the compare-and-swap, so
	// what must happen once, such as an event or a revocation, hangs on it.
	endedHere bool
}

// newAttempt starts from what a request knows of its session. It begins with a
// look, the zero step: what the request read of the ledger may be old by now.
func newAttempt(snap *session.Snapshot, goal goal) attempt {
	return attempt{
		goal:       goal,
		generation: snap.Record.Generation,
		credential: snap.Record.Credential,
		inLedger:   snap.Record.InLedger,
		holder:     rand.Uint64(),
	}
}

// counts is the generation and credential to go by when found is the entry. The
// entry has the last word where the session keeps its credential there, for its
// cookie holds none, and where it is newer than the cookie. An older entry does
// not: it is of a refresh before the one that the cookie knows of.
func (a *attempt) counts(found *session.Entry) (uint64, record.Credential) {
	known := found.State == session.Live || found.State == session.Refreshing
	if known && (found.Generation > a.generation || a.inLedger) {
		return found.Generation, found.Credential
	}
	return a.generation, a.credential
}

// looked tells what the ledger holds. The order of the cases matters. What has
// ended is judged before anything else, so that no step of a refresh can bring
// it back; a token of ours that nobody knows of comes next, since it is either
// published or revoked whatever the goal was, and never forgotten.
func (a *attempt) looked(found session.Entry, err error, at sight) {
	switch {
	case a.goal == goalEnd && errors.Is(err, session.ErrUnreadable):
		// Overwritten: from now on it is an entry of ours again.
		a.swap(toEnd, found, session.Entry{State: session.Ended})
	// The ledger has lost the entry. A copy of its bytes may come back, by a
	// failover or from a backup, so the end is written anyway.
	case a.goal == goalEnd && err == nil && found.State == session.None:
		a.swap(toEnd, found, session.Entry{State: session.Ended})
	case errors.Is(err, session.ErrUnreadable),
		err == nil && found.State == session.Ended,
		err == nil && found.State == session.None && a.inLedger:
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

// lookedAround decides on an entry while there is nothing of ours to publish. A
// sign-out waits for nobody: goalEnd comes before the case that waits for a
// lease (TestSigningOutWhileARefreshIsUnderWay). The holder finds out when it
// publishes, and revokes what it got.
func (a *attempt) lookedAround(found session.Entry, at sight) {
	generation, credential := a.counts(&found)
	superseded := a.goal == goalSupersede && credential != a.credential
	a.generation, a.credential = generation, credential
	// An entry older than the cookie is of a refresh whose end the ledger
	// missed: nobody holds anything by it.
	stale := found.Generation < a.generation
	switch {
	case a.goal == goalEnd:
		a.swap(toEnd, found, session.Entry{State: session.Ended})
	case superseded:
		a.finish(verdictKept)
	case found.State == session.Refreshing && found.Holder == a.holder && !stale && !a.asked:
		a.was = found // our claim, whose confirmation was lost
		a.todo = stepAsk
	// Also where the token is not due by this clock: the holder's call may have
	// ended it already, and only the entry will tell.
	case found.State == session.Refreshing && !stale && at.stood < at.lease:
		a.todo = stepWait
	// ECGrid has refused what is still the newest credential, and no replica is
	// refreshing it. That ends the session if no refresh can bring another, or if
	// ECGrid has refused that as well.
	case a.goal == goalSupersede && (!at.renewable || !stale && found.Final):
		a.swap(toEnd, found, session.Entry{State: session.Ended})
	// Second, after the wait: the holder may have published meanwhile.
	case !at.due && !at.renewable, a.asked:
		a.finish(verdictKept)
	case found.State == session.Live && !stale && at.stood < max(backoff(found.Failures), found.Pause):
		a.finish(verdictKept)
	default:
		// A claim whose lease has run out is taken over here, too: it is a swap
		// like any other, so of those who take it over at once one wins.
		claim := session.Entry{State: session.Refreshing, Generation: a.generation, Credential: a.credential, Holder: a.holder}
		if !stale {
			// The holder that vanished counts for nothing, but what failed
			// before it does. Otherwise each crash would reset the backoff.
			claim.Failures, claim.Final = found.Failures, found.Final
		}
		a.swap(toClaim, found, claim)
	}
}

// lookedInVain decides without the ledger. A token that will last waits for it;
// else it is refreshed without a claim, under the single flight of the process
// alone. A sign-out and a refusal cannot go that way. They end the session, and
// only the ledger can say whether somebody has refreshed it since.
func (a *attempt) lookedInVain(at sight) {
	switch {
	case a.inLedger, a.goal != goalRefresh:
		a.finish(verdictUnknown)
	case at.urgent && !a.asked:
		a.was = session.Entry{}
		a.todo = stepAsk
	default:
		a.finish(verdictKept)
	}
}

// lookedWithFresh decides where to put what ECGrid has given us. Whoever else
// is refreshing the credential before it is bound to be refused, so it goes
// over their claim too.
//
// Whether the claim is still ours is not asked: its lease may have lapsed while
// ECGrid took its time, and the token that came is living all the same. Only a
// newer generation makes it superfluous. A publish that gave way to a foreign
// claim would leave the living token to nobody.
func (a *attempt) lookedWithFresh(found session.Entry, err error) {
	switch {
	case err != nil:
		a.finish(verdictUnpublished)
	case found.Generation <= a.generation:
		a.swap(toPublish, found, a.successor())
	case found.Credential.Token == a.fresh.Token:
		a.adoptFresh()
		a.finish(verdictPublished) // the confirmation was lost, or is ours from before
	default:
		a.forsake()
		// Two living tokens of one session: the one in the ledger is the one
		// that other replicas use, so ours is the one to be revoked.
		a.generation, a.credential = found.Generation, found.Credential
		a.finish(verdictKept)
	}
}

// successor is the entry that tells everybody of what ECGrid gave.
func (a *attempt) successor() session.Entry {
	return session.Entry{State: session.Live, Generation: a.generation + 1, Credential: a.fresh}
}

// swapped tells what came of stepSwap; stored are the bytes that now stand in
// the ledger. Whatever is uncertain is settled by another look. An error says
// nothing of whether the swap took place (see Ledger.CompareAndSwap), which is
// why most of them lead back to stepLook and none to a second stepAsk.
func (a *attempt) swapped(stored []byte, ok bool, err error) {
	if err == nil && ok {
		a.next.Stored = stored
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
	// Not another look: the user waits, and the background takes over.
	case err != nil && a.purpose == toEnd:
		a.finish(verdictUnknown)
	default:
		a.todo = stepLook
	}
}

// answered tells what ECGrid said. From here on the token that was asked with
// is taken for dead only where ECGrid has said so, or given another in its
// place.
func (a *attempt) answered(r reply) {
	a.asked = true
	claimed := a.was.State == session.Refreshing
	switch {
	// The token is a living one of somebody else: nobody may use it, and it is
	// revoked. With it ECGrid has ended the one that the session had.
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
		// Under our claim nobody else has refreshed the token, so the refusal
		// is of the newest there is.
		a.end(claimed)
	// ECGrid refuses the token in calls, and refuses to replace it.
	case r.final && a.goal == goalSupersede:
		a.end(claimed)
	default:
		a.noVerdict = true
		if !claimed {
			a.finish(verdictKept)
			return
		}
		a.swap(toAbort, a.was, session.Entry{
			State: session.Live, Generation: a.generation, Credential: a.credential,
			Failures: a.was.Failures + 1, Final: r.final, Pause: r.pause,
		})
	}
}

// end marks the session as ended while our claim stands. If it does not stand
// any more, somebody else may have a newer credential. That is how a replica
// that slept through its lease and was then refused ends nothing
// (TestAHolderThatWakesAndIsRefusedEndsNothing).
func (a *attempt) end(claimed bool) {
	if !claimed {
		a.finish(verdictUnknown)
		return
	}
	a.swap(toEnd, a.was, session.Entry{State: session.Ended})
}

// overslept tells that a good part of the lease has passed since the claim, by
// a process that was stopped: somebody else may have taken it over. Only
// stepAsk is taken back. A swap needs no such care, since it fails by itself
// where the entry has changed.
func (a *attempt) overslept() {
	if a.todo == stepAsk {
		a.todo = stepLook
	}
}

// waited tells that a little time has passed.
func (a *attempt) waited() { a.todo = stepLook }

// resume takes an unpublished attempt up again. The token is still in fresh,
// and asked is still set: the attempt can publish it or give it up, and never
// ask again.
func (a *attempt) resume() { a.todo = stepLook }

func (a *attempt) swap(p purpose, was, next session.Entry) {
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

// forsake gives up what ECGrid gave, so that it is revoked.  Whoever runs the
// attempt sees to that when it is done.
func (a *attempt) forsake() {
	if a.fresh.Token != "" {
		a.orphan, a.fresh = a.fresh, record.Credential{}
	}
}
