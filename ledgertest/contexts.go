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

func cancelledContext(l ecgridsession.Ledger) error {
	return doneContext(l, context.Canceled, func() (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		return ctx, cancel
	})
}

func expiredContext(l ecgridsession.Ledger) error {
	return doneContext(l, context.DeadlineExceeded, func() (context.Context, context.CancelFunc) {
		return context.WithDeadline(context.Background(), time.Now().Add(-time.Second))
	})
}

// doneContext calls a ledger with contexts that are done, and looks whether it
// is sound after that.
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
				_, err := l.CompareAndSwap(ctx, newKey(), nil, next, ttl)
				return wraps(err, want)
			}))
		cancel()
	}
	return errors.Join(append(faults,
		holds(l, key, value),
		swaps(l, key, value, next, ttl),
		holds(l, key, next),
	)...)
}

func wraps(err, want error) error {
	if !errors.Is(err, want) {
		return fmt.Errorf("the error is %v, want one that wraps %w", err, want)
	}
	return nil
}

// withinPatience returns what f does, or an error if that takes too long.
func withinPatience(what string, f func() error) error {
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

// cancelledMidway cancels calls at any moment of theirs. Whatever comes of each,
// it says so truly: with an error nothing is promised, without one it has
// happened, and the ledger is none the worse.
func cancelledMidway(l ecgridsession.Ledger) error {
	return all(16, func(int) error {
		key, present := newKey(), []byte(nil)
		for n := range 20 {
			next := fmt.Appendf(nil, "value %d", n)
			ctx, cancel := context.WithCancel(context.Background())
			time.AfterFunc(time.Duration(rand.Int64N(int64(time.Millisecond))), cancel)
			var swapped bool
			var swapErr error
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
			got, err := load(l, key)
			isNext, isPresent := bytes.Equal(got, next), (got == nil) == (present == nil) && bytes.Equal(got, present)
			switch {
			case err != nil:
				return err
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

func outlivesContext(l ecgridsession.Ledger) error {
	key, value := newKey(), []byte("value")
	ctx, cancel := context.WithCancel(context.Background())
	swapped, err := l.CompareAndSwap(ctx, key, nil, value, ttl)
	cancel()
	if err != nil || !swapped {
		return fmt.Errorf("CompareAndSwap gives %t, %v, want it to swap", swapped, err)
	}
	return stays(l, key, value, time.Now(), surely)
}
