package ledgertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/ecgrid-contrib/ecgridsession"
)

// Contexts that end: before a call, in the middle of it, and after it. The
// middleware gives each call 200 ms by default, so a ledger under load meets
// all three all day; what it must never do then is answer wrongly, or break the
// next call.

// cancelledContext: a browser that hangs up. The error says so, by which an app
// tells it from a ledger that is down.
func cancelledContext(l ecgridsession.Ledger) error {
	return doneContext(l, context.Canceled, func() (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		return ctx, cancel
	})
}

// expiredContext: the deadline was over before the call began. It is not the
// error of a cancelled one: the two are told apart by errors.Is.
func expiredContext(l ecgridsession.Ledger) error {
	return doneContext(l, context.DeadlineExceeded, func() (context.Context, context.CancelFunc) {
		return context.WithDeadline(context.Background(), time.Now().Add(-time.Second))
	})
}

// doneContext calls a ledger with contexts that are done, and looks whether it
// is sound after that. The entry from before is looked at in the end: a pool
// that puts a connection back with half an answer on it gives that to the next
// call.
func doneContext(l ecgridsession.Ledger, want error, done func() (context.Context, context.CancelFunc)) error {
	key, value, next := newKey(), []byte("value"), []byte("next")
	faults := []error{swaps(l, key, nil, value, ttl)}
	for range 8 { // so that more than one connection of a pool is hit
		ctx, cancel := done()
		faults = append(faults,
			withinPatience("Load with a context that is done", func() error {
				_, err := l.Load(ctx, key, newKey())
				return wraps(err, want)
			}),
			withinPatience("CompareAndSwap with a context that is done", func() error {
				// At a new key each time: where it is stored in spite of its
				// error it is in nobody's way.
				_, err := l.CompareAndSwap(ctx, newKey(), nil, next, ttl)
				return wraps(err, want)
			}))
		cancel()
	}
	return errors.Join(append(faults,
		holds(l, key, value),
		// Written as well as read: the two may go by different connections.
		swaps(l, key, value, next, ttl),
		holds(l, key, next),
	)...)
}

// wraps returns an error unless err is want, or wraps it.
func wraps(err, want error) error {
	if !errors.Is(err, want) {
		return fmt.Errorf("the error is %v, want one that wraps %w", err, want)
	}
	return nil
}

// withinPatience returns what f does, or an error if that takes too long. f
// goes on alone where it does: there is no way to stop a ledger that does not
// heed its context, and the test is lost anyway.
func withinPatience(what string, f func() error) error {
	// Room for one, so that a call which returns too late does not leave its
	// goroutine behind.
	result := make(chan error, 1)
	go func() { result <- f() }()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case err := <-result:
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		return nil
	case <-timer.C:
		return fmt.Errorf("%s has not returned within %s", what, patience)
	}
}

// cancelledMidway cancels calls at any moment of theirs. Whatever comes of
// each, it says so truly: with an error nothing is promised, without one it has
// happened, and the ledger is none the worse. A swap of which nobody knows
// whether it took place is allowed, and the middleware lives with it (it looks
// again). A swap that is said to have failed and took place is not.
func cancelledMidway(l ecgridsession.Ledger) error {
	// Sixteen at once, each at keys of its own: what one leaves on a
	// connection, another may find there.
	return all(16, func(int) error {
		key, present := newKey(), []byte(nil)
		for n := range 20 {
			// A value of its own for each, so that a late one is told from the
			// present one.
			next := fmt.Appendf(nil, "value %d", n)
			ctx, cancel := context.WithCancel(context.Background())
			// Up to a millisecond, which is about what a call to a server
			// nearby takes: some are cut before they are sent, some on the way,
			// some too late.
			time.AfterFunc(time.Duration(rand.Int64N(int64(time.Millisecond))), cancel)
			var swapped bool
			var swapErr error
			// It returns soon after the end, whether or not the backend has
			// answered by then.
			err := withinPatience("CompareAndSwap that is cancelled midway", func() error {
				swapped, swapErr = l.CompareAndSwap(ctx, key, present, next, ttl)
				if swapErr != nil {
					return wraps(swapErr, context.Canceled)
				}
				return nil
			})
			cancel()
			if err != nil {
				return err
			}
			// With a context that nothing ends: what stands there now is what
			// counts.
			got, err := load(l, key)
			// Nothing else may stand there: a third value would be one that was
			// written in halves.
			isNext, isPresent := bytes.Equal(got, next), (got == nil) == (present == nil) && bytes.Equal(got, present)
			switch {
			case err != nil:
				return err
			// Nobody else writes under this key, so nothing but the cancelling
			// can have made it fail, and that is an error's to say.
			case swapErr == nil && !swapped:
				return fmt.Errorf("CompareAndSwap refuses the present value %s when it is cancelled midway", show(present))
			case swapErr == nil && !isNext, swapErr != nil && !isNext && !isPresent:
				return fmt.Errorf("a Load gives %s after a swap of %s for %s that was cancelled midway", show(got), show(present), show(next))
			}
			present = got
			if swapErr != nil {
				// It may still arrive, and come between the next two calls.
				key, present = newKey(), nil
			}
		}
		return nil
	})
}

// outlivesContext: an entry is not the request's that wrote it. A backend that
// ties a lease or a transaction to the context would forget sign-outs as soon
// as they were answered.
func outlivesContext(l ecgridsession.Ledger) error {
	key, value := newKey(), []byte("value")
	ctx, cancel := context.WithCancel(context.Background())
	swapped, err := l.CompareAndSwap(ctx, key, nil, value, ttl)
	cancel()
	if err != nil || !swapped {
		return fmt.Errorf("CompareAndSwap gives %t, %v, want it to swap", swapped, err)
	}
	// Long enough for whatever hangs on the context to run.
	return stays(l, key, value, time.Now(), surely)
}
