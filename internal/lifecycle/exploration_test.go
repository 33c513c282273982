package lifecycle

import (
	"encoding/binary"
	"errors"
	"fmt"
	"github.com/ecgrid-contrib/ecgridsession/internal/session"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// This file explores, in the model of exploration_model_test.go, every
// interleaving of three requests that find a token due on replicas whose clocks
// differ, or find it refused by ECGrid in an app's own call, and one sign-out,
// with a bounded number of faults at every step: an actor that dies or stops and
// wakes, an answer of ECGrid that is lost, a ledger that fails before or after
// it has acted. The actors are attempts: the very code that runs in production,
// told of a model ledger and a model ECGrid instead of real ones.

// key tells states apart. It is written by hand for speed.
func (w *world) key() string {
	b := make([]byte, 0, 256)
	b = append(b, w.version, byte(w.cookie), byte(w.minted), byte(w.alive), byte(w.asks), byte(w.deaths), byte(w.stops), byte(w.lost), byte(w.ledgerFaults), byte(w.finals))
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

func appendEntryKey(b []byte, e *session.Entry) []byte {
	b = append(b, byte(e.State), byte(e.Generation), byte(e.Failures), byte(e.Holder), byte(numberOf(e.Credential)), byte(len(e.Stored)), byte(e.Pause/time.Minute))
	if e.Final {
		b = append(b, 'f')
	}
	return append(b, e.Stored...)
}

// checkStep holds one step from one state to the next to what must always be
// so.
func checkStep(before, after *world) error {
	if before.stored.State == session.Ended && after.stored.State != session.Ended {
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
	if !w.disturbed && w.stored.State == session.Refreshing {
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
	if w.stored.State == session.Ended {
		return errors.New("the session has ended and its token lives on")
	}
	if w.alive != w.cookie && numberOf(w.stored.Credential) != w.alive {
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
		w.stored.State, w.stored.Generation, numberOf(w.stored.Credential), w.stored.Holder,
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
		w.stored = session.Entry{State: session.Live, Credential: tokenOf(1), Stored: []byte{1}}
	case holdsOldClaim:
		w.version, w.cookie, w.minted, generation = 1, 2, 2, 1
		w.stored = session.Entry{State: session.Refreshing, Credential: tokenOf(1), Holder: 99, Stored: []byte{1}}
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

// refusal is what ECGrid has refused in an app's own call.
type refusal int

const (
	refusedNothing refusal = iota
	refusedToken
	refusedBesideRefreshToken // the token, and the session has a refresh token
)

func TestNoInterleavingBreaksAPromise(t *testing.T) {
	faults := []struct {
		name                                      string
		deaths, stops, lost, ledgerFaults, finals int
	}{
		{name: "no fault"},
		{name: "one dies", deaths: 1},
		{name: "one stops and wakes", stops: 1},
		{name: "an answer of ECGrid is lost", lost: 1},
		{name: "the ledger fails twice", ledgerFaults: 2},
		{name: "one stops, an answer is lost", stops: 1, lost: 1},
		{name: "one dies, the ledger fails", deaths: 1, ledgerFaults: 1},
		{name: "an answer of ECGrid is final", finals: 1},
		{name: "an answer is final, another is lost", finals: 1, lost: 1},
		{name: "an answer is final, the ledger fails", finals: 1, ledgerFaults: 1},
	}
	clocks := [][3]bool{{true, true, true}, {true, true, false}, {true, false, false}}
	total := 0
	for _, fault := range faults {
		t.Run(fault.name, func(t *testing.T) {
			states := 0
			for _, due := range clocks {
				for _, holds := range []ledgerStart{holdsNothing, holdsCredential, holdsOldClaim} {
					for _, signOut := range []bool{false, true} {
						for _, refused := range []refusal{refusedNothing, refusedToken, refusedBesideRefreshToken} {
							if refused != refusedNothing && !due[1] {
								continue // the other two are as good as one
							}
							start := begin(holds, due, signOut)
							start.deaths, start.stops, start.lost, start.ledgerFaults = fault.deaths, fault.stops, fault.lost, fault.ledgerFaults
							start.finals = fault.finals
							if refused != refusedNothing {
								// The last of the three, whose clock makes the token
								// expired or not.
								start.actors[2].attempt.goal = goalSupersede
								start.actors[2].refreshToken = refused == refusedBesideRefreshToken
							} else if due[1] {
								// The second of the three has no request: its session is in use.
								start.actors[1].attempt.goal = goalKeep
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
