package ecgridsession

import (
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/internal/record"
)

// This file explores every interleaving of three requests that find a token due
// on replicas whose clocks differ, or find it refused by ECGrid in an app's own
// call, and one sign-out, with a bounded number of
// faults at every step: an actor that dies or stops and wakes, an answer of
// ECGrid that is lost, a ledger that fails before or after it has acted. The
// actors are attempts: the very code that runs in production, told of a model
// ledger and a model ECGrid instead of real ones.

// world is one state of all there is.
type world struct {
	stored  entry // the session's ledger entry
	version byte  // of the entry: stands for its bytes

	cookie    int    // the token that the cookies hold
	minted    int    // tokens are 1..minted
	alive     int    // the token that ECGrid accepts; 0: none
	delivered uint16 // bit n: the answer with token n reached an actor

	actors [4]actor
	asks   int // calls to refresh

	// Faults that may still happen.
	deaths, stops, lost, ledgerFaults int
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
	drowsy bool // it has woken, and has not looked at the ledger since
	begun  bool // it has looked at the ledger
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

var errModelLedger = fmt.Errorf("%w: in the model", ErrLedgerUnavailable)

const modelLease = time.Hour

// look is stepLook of actor i; fail: the ledger does not answer.
func (w world) look(i int, fail, leaseOver bool) world {
	a := &w.actors[i]
	a.drowsy, a.begun = false, true
	if fail {
		w.ledgerFaults--
		w.faulty, w.disturbed = true, true
		a.attempt.looked(entry{}, errModelLedger, sight{urgent: true, due: true, lease: modelLease})
		return w.advance(i)
	}
	found := w.stored
	_, counts := a.attempt.counts(&found)
	at := sight{due: numberOf(counts) == w.cookie && a.clock, lease: modelLease}
	at.expired = at.due && a.attempt.goal == goalSupersede
	if found.state == entryLive {
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
	matches := string(a.attempt.was.stored) == string(w.stored.stored)
	if matches && (!fail || acted) {
		w.version++
		w.stored = a.attempt.next
		w.stored.stored = []byte{w.version}
	}
	if fail {
		w.ledgerFaults--
		w.faulty, w.disturbed = true, true
		a.attempt.swapped(nil, false, errModelLedger)
	} else {
		a.attempt.swapped(w.stored.stored, matches, nil)
	}
	return w.advance(i)
}

// ask is stepAsk of actor i: ECGrid refreshes the token that lives, and only
// that. The answer may be lost on the way.
func (w world) ask(i int, lose bool) world {
	a := &w.actors[i]
	w.asks++
	if a.attempt.was.state != entryRefreshing {
		a.astray = true
	}
	asked := numberOf(a.attempt.credential)
	granted := asked == w.alive
	if granted {
		w.minted++
		w.alive = w.minted
	}
	switch {
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
			visit(w.ask(i, false))
			if w.lost > 0 {
				visit(w.ask(i, true))
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
		if a.attempt.holder == w.stored.holder {
			return a.state == dead || a.state == stopped || a.state == resting
		}
	}
	return false
}

// key tells states apart. It is written by hand for speed.
func (w *world) key() string {
	b := make([]byte, 0, 256)
	b = append(b, w.version, byte(w.cookie), byte(w.minted), byte(w.alive), byte(w.asks), byte(w.deaths), byte(w.stops), byte(w.lost), byte(w.ledgerFaults))
	b = binary.BigEndian.AppendUint16(b, w.delivered)
	if w.faulty {
		b = append(b, 'f')
	}
	if w.disturbed {
		b = append(b, 'd')
	}
	if w.signedOut {
		b = append(b, 's')
	}
	b = appendEntryKey(b, &w.stored)
	for i := range w.actors {
		a := &w.actors[i]
		t := &a.attempt
		b = append(b, '|', byte(a.state), a.watched, byte(t.todo), byte(t.result), byte(t.purpose), byte(t.generation),
			byte(numberOf(t.credential)), byte(numberOf(t.fresh)), byte(numberOf(t.orphan)))
		for _, flag := range []bool{t.asked, t.noVerdict, t.endedHere, a.astray, a.drowsy, a.begun} {
			if flag {
				b = append(b, 1)
			} else {
				b = append(b, 0)
			}
		}
		b = appendEntryKey(b, &t.was)
		b = appendEntryKey(b, &t.next)
	}
	return string(b)
}

func appendEntryKey(b []byte, e *entry) []byte {
	b = append(b, byte(e.state), byte(e.generation), byte(e.failures), byte(e.holder), byte(numberOf(e.credential)), byte(len(e.stored)))
	return append(b, e.stored...)
}

// checkStep holds one step from one state to the next to what must always be
// so.
func checkStep(before, after *world) error {
	if before.stored.state == entryEnded && after.stored.state != entryEnded {
		return errors.New("an ended session came back")
	}
	for i := range after.actors {
		was, is := &before.actors[i], &after.actors[i]
		if is.state == resting && was.state != resting && before.signedOut && was.attempt.todo == stepLook && !after.faulty &&
			is.attempt.result != verdictEnded {
			return errors.New("a request was served after the sign-out had returned")
		}
		if was.attempt.todo == stepAsk && is.attempt.todo != stepAsk && was.state == running && is.state != dead {
			if was.attempt.asked {
				return errors.New("an attempt asked ECGrid twice")
			}
			if was.drowsy {
				return errors.New("one that woke asked ECGrid without another look")
			}
		}
		// Whoever ends a session by ECGrid's refusal must not do so while
		// another actor that has not gone astray has a token that ECGrid
		// accepts, and is about to publish it.
		ended := is.attempt.endedHere && !was.attempt.endedHere && is.attempt.goal != goalEnd
		if ended && after.alive != 0 && after.knownAlive(i) {
			return errors.New("the session was ended while somebody had its living token")
		}
		if ended && !after.faulty {
			return errors.New("the session was ended by accident")
		}
	}
	return nil
}

// knownAlive tells whether anybody but actor i, who is at work, or the ledger
// before the end, holds the token that lives.
func (w *world) knownAlive(i int) bool {
	for j := range w.actors {
		a := &w.actors[j]
		if j != i && !a.astray && (a.state == running || a.state == waiting) && numberOf(a.attempt.fresh) == w.alive {
			return true
		}
	}
	return false
}

// checkEnd holds a state that nothing follows to what must come of it all.
func (w *world) checkEnd() error {
	for i := range w.actors {
		if s := w.actors[i].state; s != dead && s != resting && !w.unrefused(i) {
			return errors.New("somebody waits for ever")
		}
	}
	if !w.faulty && w.asks > 1 {
		return errors.New("one token was refreshed twice")
	}
	if !w.disturbed && w.stored.state == entryRefreshing {
		return errors.New("a claim was left behind, and the next request waits for a lease")
	}
	if w.alive == 0 || w.delivered&(1<<w.alive) == 0 {
		return nil // nothing lives, or nobody was ever told of it
	}
	for i := range w.actors {
		if w.actors[i].state == dead && (numberOf(w.actors[i].attempt.fresh) == w.alive || w.actors[i].attempt.goal == goalEnd) {
			return nil // it died with the token, or before it could revoke it
		}
	}
	if w.stored.state == entryEnded {
		return errors.New("the session has ended and its token lives on")
	}
	if w.alive != w.cookie && numberOf(w.stored.credential) != w.alive {
		return errors.New("a token lives that nobody knows")
	}
	return nil
}

// explore visits every state that can be reached from start and returns how
// many there are.
func explore(start world) (states int, err error) {
	seen := map[string]struct{}{start.key(): {}}
	queue := []world{start}
	for len(queue) > 0 {
		w := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		final := true
		w.next(func(after world) {
			final = false
			if err != nil {
				return
			}
			if err = checkStep(&w, &after); err != nil {
				return
			}
			key := after.key()
			if _, known := seen[key]; !known {
				seen[key] = struct{}{}
				queue = append(queue, after)
			}
		})
		if err == nil && final {
			err = w.checkEnd()
		}
		if err != nil {
			return len(seen), fmt.Errorf("%w\n%+v", err, w.describe())
		}
	}
	return len(seen), nil
}

// describe prints a state for whoever must find out how it came about.
func (w *world) describe() string {
	text := fmt.Sprintf("entry %d gen %d token %d holder %d; minted %d alive %d delivered %b asks %d faulty %v signed out %v\n",
		w.stored.state, w.stored.generation, numberOf(w.stored.credential), w.stored.holder,
		w.minted, w.alive, w.delivered, w.asks, w.faulty, w.signedOut)
	for i := range w.actors {
		a := &w.actors[i]
		text += fmt.Sprintf("actor %d: state %d todo %d purpose %d result %d gen %d token %d fresh %d orphan %d asked %v\n",
			i, a.state, a.attempt.todo, a.attempt.purpose, a.attempt.result, a.attempt.generation,
			numberOf(a.attempt.credential), numberOf(a.attempt.fresh), numberOf(a.attempt.orphan), a.attempt.asked)
	}
	return text
}

// ledgerStart is what the ledger holds when a world begins.
type ledgerStart int

const (
	holdsNothing    ledgerStart = iota // the credential is in the cookie
	holdsCredential                    // the credential is in the ledger
	holdsOldClaim                      // of a refresh whose end it missed; the cookie has what that brought
)

// begin is a world in which nothing has happened yet. Three requests find the
// token due, or not, by their replicas' clocks; the fourth actor signs out, if
// it is to.
func begin(holds ledgerStart, due [3]bool, signOut bool) world {
	w := world{cookie: 1, minted: 1}
	var generation uint64
	switch holds {
	case holdsCredential:
		w.version = 1
		w.stored = entry{state: entryLive, credential: tokenOf(1), stored: []byte{1}}
	case holdsOldClaim:
		w.version, w.cookie, w.minted, generation = 1, 2, 2, 1
		w.stored = entry{state: entryRefreshing, credential: tokenOf(1), holder: 99, stored: []byte{1}}
	}
	w.alive = w.cookie
	w.delivered = 1 << w.cookie
	for i := range w.actors {
		w.actors[i].attempt = attempt{
			generation: generation, credential: tokenOf(w.cookie), inLedger: holds == holdsCredential, holder: uint64(i + 1),
		}
		if i < len(due) {
			w.actors[i].clock = due[i]
		}
	}
	w.actors[3].attempt.goal = goalEnd
	if !signOut {
		w.actors[3].state = resting
	}
	return w
}

func TestNoInterleavingBreaksAPromise(t *testing.T) {
	faults := []struct {
		name                              string
		deaths, stops, lost, ledgerFaults int
	}{
		{name: "no fault"},
		{name: "one dies", deaths: 1},
		{name: "one stops and wakes", stops: 1},
		{name: "an answer of ECGrid is lost", lost: 1},
		{name: "the ledger fails twice", ledgerFaults: 2},
		{name: "one stops, an answer is lost", stops: 1, lost: 1},
		{name: "one dies, the ledger fails", deaths: 1, ledgerFaults: 1},
	}
	clocks := [][3]bool{{true, true, true}, {true, true, false}, {true, false, false}}
	total := 0
	for _, fault := range faults {
		t.Run(fault.name, func(t *testing.T) {
			states := 0
			for _, due := range clocks {
				for _, holds := range []ledgerStart{holdsNothing, holdsCredential, holdsOldClaim} {
					for _, signOut := range []bool{false, true} {
						for _, refused := range []bool{false, true} {
							if refused && !due[1] {
								continue // the other two are as good as one
							}
							start := begin(holds, due, signOut)
							start.deaths, start.stops, start.lost, start.ledgerFaults = fault.deaths, fault.stops, fault.lost, fault.ledgerFaults
							if refused {
								// The last of the three, whose clock makes the token
								// expired or not.
								start.actors[2].attempt.goal = goalSupersede
							}
							n, err := explore(start)
							require.NoError(t, err, "due %v, the ledger holds %v, signing out %v, refused %v", due, holds, signOut, refused)
							states += n
						}
					}
				}
			}
			t.Logf("%d states explored", states)
			total += states
		})
	}
	t.Logf("%d states explored in all", total)
}
