package lifecycle

import (
	"fmt"
	"github.com/ecgrid-contrib/ecgridsession/internal/session"
	"time"

	"github.com/ecgrid-contrib/ecgridsession/internal/record"
)

// The model that exploration_test.go explores: a ledger, an ECGrid, and actors.

// world is one state of all there is.
type world struct {
	stored  session.Entry // the session's ledger entry
	version byte          // of the entry: stands for its bytes

	cookie    int    // the token that the cookies hold
	minted    int    // tokens are 1..minted
	alive     int    // the token that ECGrid accepts; 0: none
	delivered uint16 // bit n: the answer with token n reached an actor

	actors [4]actor
	asks   int // calls to refresh

	// Faults that may still happen.
	deaths, stops, lost, ledgerFaults int
	finals                            int // answers that are final and no verdict
	// faulty: one has happened, so that ECGrid's refusal may be its doing.
	faulty bool
	// disturbed: the ledger has failed or an actor died, so that what they were
	// about to tidy up may be left behind.
	disturbed bool

	signedOut bool // the sign-out has returned, and the ledger confirmed it
}

// actor is one request, or the sign-out.
type actor struct {
	attempt attempt
	clock   bool // finds the cookie's token due
	state   actorState
	watched byte // the version that it waits to change
	// astray: it has stopped past its lease, or asked without a claim since the
	// ledger was down for it. Others may act as if it were not there.
	astray bool
	// refreshToken: its replica takes a refused token for one that a refresh may
	// replace, however old it is.
	refreshToken bool
	drowsy       bool // it has woken, and has not looked at the ledger since
	begun        bool // it has looked at the ledger
}

type actorState byte

const (
	running actorState = iota
	waiting            // for another holder
	stopped            // SIGSTOP: it may wake
	dead               // kill -9
	resting            // it has its answer
)

func tokenOf(n int) record.Credential {
	return record.Credential{Token: string(rune('A' + n - 1)), ExpiresAt: 1}
}

func numberOf(c record.Credential) int {
	if c.Token == "" {
		return 0
	}
	return int(c.Token[0]-'A') + 1
}

var errModelLedger = fmt.Errorf("%w: in the model", session.ErrUnavailable)

const modelLease = time.Hour

// look is stepLook of actor i; fail: the ledger does not answer.
func (w world) look(i int, fail, leaseOver bool) world {
	a := &w.actors[i]
	a.drowsy, a.begun = false, true
	if fail {
		w.ledgerFaults--
		w.faulty, w.disturbed = true, true
		a.attempt.looked(session.Entry{}, errModelLedger, sight{urgent: true, due: true, lease: modelLease})
		return w.advance(i)
	}
	found := w.stored
	_, counts := a.attempt.counts(&found)
	at := sight{due: numberOf(counts) == w.cookie && a.clock, lease: modelLease}
	at.renewable = (at.due || a.refreshToken) && a.attempt.goal == goalSupersede
	if found.State == session.Live {
		at.stood = modelLease // longer than any backoff
	}
	if leaseOver {
		at.stood = modelLease
	}
	a.watched = w.version
	a.attempt.looked(found, nil, at)
	return w.advance(i)
}

// swap is stepSwap of actor i. A ledger that fails may have acted.
func (w world) swap(i int, fail, acted bool) world {
	a := &w.actors[i]
	a.drowsy = false
	matches := string(a.attempt.was.Stored) == string(w.stored.Stored)
	if matches && (!fail || acted) {
		w.version++
		w.stored = a.attempt.next
		w.stored.Stored = []byte{w.version}
	}
	if fail {
		w.ledgerFaults--
		w.faulty, w.disturbed = true, true
		a.attempt.swapped(nil, false, errModelLedger)
	} else {
		a.attempt.swapped(w.stored.Stored, matches, nil)
	}
	return w.advance(i)
}

// ask is stepAsk of actor i: ECGrid refreshes the token that lives, and only
// that. The answer may be lost on the way, or be final.
func (w world) ask(i int, lose, final bool) world {
	a := &w.actors[i]
	w.asks++
	if a.attempt.was.State != session.Refreshing {
		a.astray = true
	}
	asked := numberOf(a.attempt.credential)
	granted := asked == w.alive && !final
	if granted {
		w.minted++
		w.alive = w.minted
	}
	switch {
	case final:
		w.finals--
		w.faulty = true
		a.attempt.answered(reply{final: true, pause: time.Minute})
	case lose:
		w.lost--
		w.faulty = true
		a.attempt.answered(reply{})
	case granted:
		w.delivered |= 1 << w.minted
		a.attempt.answered(reply{granted: tokenOf(w.minted)})
	default:
		a.attempt.answered(reply{refused: true})
	}
	return w.advance(i)
}

// advance settles what an actor does by itself once its attempt is done.
func (w world) advance(i int) world {
	a := &w.actors[i]
	switch {
	case a.attempt.todo == stepWait:
		a.state = waiting
	case a.attempt.todo != stepDone:
	case a.attempt.result == verdictUnpublished:
		a.attempt.resume() // refresher.publishLater
	case a.attempt.goal == goalEnd && a.attempt.result == verdictUnknown:
		// Sign-out calls ECGrid all the same, and the background ends the
		// session once more.
		w.revoke(a.attempt.credential)
		a.attempt.resume()
	case a.attempt.goal == goalEnd:
		a.state = resting
		w.signedOut = true
		if a.attempt.endedHere {
			w.revoke(a.attempt.credential)
		}
	default:
		a.state = resting
		w.revoke(a.attempt.orphan)
	}
	return w
}

// revoke is the background's: it succeeds in the end.
func (w *world) revoke(c record.Credential) {
	if n := numberOf(c); n != 0 && n == w.alive {
		w.alive = 0
	}
}

// next gives every state that may follow.
func (w world) next(visit func(world)) {
	for i := range w.actors {
		a := w.actors[i]
		if a.state == stopped {
			w.actors[i].state = running
			w.actors[i].attempt.overslept()
			w.actors[i].drowsy = true
			if a.attempt.todo == stepWait {
				w.actors[i].state = waiting
			}
			visit(w)
			w.actors[i] = a
			continue
		}
		if a.state == dead || a.state == resting || w.unrefused(i) {
			continue
		}
		if w.deaths > 0 {
			killed := w
			killed.deaths--
			killed.faulty, killed.disturbed = true, true
			killed.actors[i].state = dead
			visit(killed)
		}
		if w.stops > 0 {
			halted := w
			halted.stops--
			halted.faulty = true
			halted.actors[i].state, halted.actors[i].astray = stopped, true
			visit(halted)
		}
		if a.state == waiting {
			// It looks again when there is something new to see, or when the
			// holder has been silent for the lease.
			changed := a.watched != w.version
			if changed || w.holderSilent() {
				woken := w
				woken.actors[i].state = running
				woken.actors[i].attempt.waited()
				visit(woken.look(i, false, !changed))
			}
			continue
		}
		switch a.attempt.todo {
		case stepLook:
			visit(w.look(i, false, false))
			if w.ledgerFaults > 0 {
				visit(w.look(i, true, false))
			}
		case stepSwap:
			visit(w.swap(i, false, false))
			if w.ledgerFaults > 0 {
				visit(w.swap(i, true, false))
				visit(w.swap(i, true, true))
			}
		case stepAsk:
			visit(w.ask(i, false, false))
			if w.lost > 0 {
				visit(w.ask(i, true, false))
			}
			if w.finals > 0 {
				visit(w.ask(i, false, true))
			}
		}
	}
}

// unrefused tells whether an actor that asks for a newer token than a refused
// one has yet to begin: ECGrid accepts its token.
func (w *world) unrefused(i int) bool {
	a := &w.actors[i]
	return a.attempt.goal == goalSupersede && a.attempt.todo == stepLook && numberOf(a.attempt.credential) == w.alive &&
		!a.begun && a.state == running
}

// holderSilent tells whether the lease can run out: its holder is dead, has
// stopped, or has given up and gone. One that is at work is always done with
// its call within half of the lease; one that is nobody here left its claim
// under a cookie that has a newer token, which nobody has to wait for.
func (w *world) holderSilent() bool {
	for i := range w.actors {
		a := &w.actors[i]
		if a.attempt.holder == w.stored.Holder {
			return a.state == dead || a.state == stopped || a.state == resting
		}
	}
	return false
}
