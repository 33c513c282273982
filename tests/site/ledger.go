package site

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/ecgrid-contrib/ecgridsession"
)

// Ledger is a memory ledger that can be made to fail and counts its calls.
type Ledger struct {
	Memory         ecgridsession.Ledger
	Loads, Swaps   atomic.Int64
	OnLoad, OnSwap atomic.Pointer[LedgerFault] // nil: none
}

// LedgerFault stands in front of a call of the ledger: act makes it.
type LedgerFault func(act func() error) error

// NewLedger returns a ledger that works.
func NewLedger() *Ledger { return &Ledger{Memory: ecgridsession.NewMemoryLedger()} }

// Load implements [ecgridsession.Ledger].
func (l *Ledger) Load(ctx context.Context, keys ...string) (values [][]byte, err error) {
	l.Loads.Add(1)
	act := func() error {
		values, err = l.Memory.Load(ctx, keys...)
		return err
	}
	if fault := l.OnLoad.Load(); fault != nil {
		if err := (*fault)(act); err != nil {
			return nil, err
		}
		return values, nil
	}
	err = act()
	return values, err
}

// CompareAndSwap implements [ecgridsession.Ledger].
func (l *Ledger) CompareAndSwap(ctx context.Context, key string, old, next []byte, ttl time.Duration) (swapped bool, err error) {
	l.Swaps.Add(1)
	act := func() error {
		swapped, err = l.Memory.CompareAndSwap(ctx, key, old, next, ttl)
		return err
	}
	if fault := l.OnSwap.Load(); fault != nil {
		if err := (*fault)(act); err != nil {
			return false, err
		}
		return swapped, nil
	}
	err = act()
	return swapped, err
}

// RefuseAll makes every call fail.
func (l *Ledger) RefuseAll() {
	l.RefuseSwaps()
	l.OnLoad.Store(&LedgerDown)
}

// RefuseSwaps makes those calls fail that write, as a Redis does that became a
// replica.
func (l *Ledger) RefuseSwaps() { l.OnSwap.Store(&LedgerDown) }

// Recover makes the ledger work again, with what it held.
func (l *Ledger) Recover() {
	l.OnLoad.Store(nil)
	l.OnSwap.Store(nil)
}

// LedgerDown is the fault of a ledger that cannot be reached.
var LedgerDown LedgerFault = func(func() error) error { return ErrLedgerDown }

// FailNthSwap lets the n-th swap from now on fail, before or after it has acted.
func (l *Ledger) FailNthSwap(n int64, acts bool) {
	var seen atomic.Int64
	var fault LedgerFault = func(act func() error) error {
		switch {
		case seen.Add(1) != n:
			return act()
		case acts:
			return firstError(act(), ErrLedgerDown)
		default:
			return ErrLedgerDown
		}
	}
	l.OnSwap.Store(&fault)
}

// FailFromNthSwap lets the n-th swap from now on and all after it fail.
func (l *Ledger) FailFromNthSwap(n int64) {
	var seen atomic.Int64
	var fault LedgerFault = func(act func() error) error {
		if seen.Add(1) < n {
			return act()
		}
		return ErrLedgerDown
	}
	l.OnSwap.Store(&fault)
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// ErrLedgerDown is what a failing [Ledger] says.
var ErrLedgerDown = ledgerError("the test's ledger is down")

type ledgerError string

// Error implements error.
func (e ledgerError) Error() string { return string(e) }
