package session

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/internal/memory"
)

// backend is a ledger in memory whose calls a test may replace.
type backend struct {
	*memory.Table
	swap func(ctx context.Context, key string, old, next []byte, ttl time.Duration) (bool, error)
	load func(ctx context.Context, keys ...string) ([][]byte, error)
}

func (b *backend) CompareAndSwap(ctx context.Context, key string, old, next []byte, ttl time.Duration) (bool, error) {
	if b.swap != nil {
		return b.swap(ctx, key, old, next, ttl)
	}
	return b.Table.CompareAndSwap(ctx, key, old, next, ttl)
}

func (b *backend) Load(ctx context.Context, keys ...string) ([][]byte, error) {
	if b.load != nil {
		return b.load(ctx, keys...)
	}
	return b.Table.Load(ctx, keys...)
}

func newLedger(t *testing.T) (*Ledger, *backend) {
	t.Helper()
	b := &backend{Table: memory.New()}
	l, err := NewLedger(b, [][]byte{bytes.Repeat([]byte("key4"), 8)}, "https://ecgrid.example", time.Second)
	require.NoError(t, err)
	return l, b
}

// twice is a client that repeats each swap, as after an answer that was lost.
func (b *backend) twice(ctx context.Context, key string, old, next []byte, ttl time.Duration) (bool, error) {
	if _, err := b.Table.CompareAndSwap(ctx, key, old, next, ttl); err != nil {
		return false, err
	}
	return b.Table.CompareAndSwap(ctx, key, old, next, ttl)
}

func TestASwapThatTheClientRepeatsHasTakenPlace(t *testing.T) {
	l, b := newLedger(t)
	b.swap = b.twice
	keys := l.Keys([16]byte{1}, 7)

	stored, swapped, err := l.SwapEntry(t.Context(), &keys, Entry{}, Entry{State: Ended}, time.Minute)
	require.NoError(t, err)
	assert.True(t, swapped)

	found, err := l.LookEntry(t.Context(), &keys)
	require.NoError(t, err)
	assert.Equal(t, stored, found.Stored)
}

func TestACutOffThatTheClientRepeatsIsRaisedOnce(t *testing.T) {
	l, b := newLedger(t)
	b.swap = b.twice
	keys := l.Keys([16]byte{1}, 7)

	number, raised, err := l.RaiseCutOff(t.Context(), &keys, &Limits{Lifetime: time.Hour, Now: time.Now}, 0)
	require.NoError(t, err)
	assert.True(t, raised)
	_, cutOff, err := l.Look(t.Context(), &keys)
	require.NoError(t, err)
	assert.Equal(t, number, cutOff)
}

func TestASwapThatAnotherWonIsLost(t *testing.T) {
	l, _ := newLedger(t)
	keys := l.Keys([16]byte{1}, 7)
	_, swapped, err := l.SwapEntry(t.Context(), &keys, Entry{}, Entry{State: Ended}, time.Minute)
	require.NoError(t, err)
	require.True(t, swapped)

	// The same state, sealed by another call.
	_, swapped, err = l.SwapEntry(t.Context(), &keys, Entry{}, Entry{State: Ended}, time.Minute)
	require.NoError(t, err)
	assert.False(t, swapped)
}

func TestALostSwapThatCannotBeLookedAtIsNoAnswer(t *testing.T) {
	l, b := newLedger(t)
	b.swap = func(context.Context, string, []byte, []byte, time.Duration) (bool, error) { return false, nil }
	b.load = func(context.Context, ...string) ([][]byte, error) { return nil, errors.New("down") }
	keys := l.Keys([16]byte{1}, 7)

	_, _, err := l.SwapEntry(t.Context(), &keys, Entry{}, Entry{State: Ended}, time.Minute)
	assert.ErrorIs(t, err, ErrUnavailable)
}

func TestAPanicInTheLedgerFailsTheCallAndNoMore(t *testing.T) {
	l, b := newLedger(t)
	keys := l.Keys([16]byte{1}, 7)
	b.load = func(context.Context, ...string) ([][]byte, error) { panic("secret-4711") }
	_, err := l.LookEntry(t.Context(), &keys)
	assert.ErrorIs(t, err, ErrUnavailable)
	assert.NotContains(t, err.Error(), "secret")

	b.swap = func(context.Context, string, []byte, []byte, time.Duration) (bool, error) { panic("secret-4711") }
	_, _, err = l.SwapEntry(t.Context(), &keys, Entry{}, Entry{State: Ended}, time.Minute)
	assert.ErrorIs(t, err, ErrUnavailable)
	assert.NotContains(t, err.Error(), "secret")
}
