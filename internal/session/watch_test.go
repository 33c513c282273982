package session

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/internal/record"
)

func TestAStreamThatIsOverLeavesNoMemory(t *testing.T) {
	for name, over := range map[string]func(t *testing.T, l *Ledger, snap *Snapshot, cancel func()){
		"cancelled": func(_ *testing.T, _ *Ledger, _ *Snapshot, cancel func()) { cancel() },
		"its session ended here": func(t *testing.T, l *Ledger, snap *Snapshot, _ func()) {
			_, swapped, err := l.SwapEntry(t.Context(), &snap.Keys, Entry{}, Entry{State: Ended}, time.Hour)
			require.NoError(t, err)
			require.True(t, swapped)
		},
		"its session's time is over": func(*testing.T, *Ledger, *Snapshot, func()) { time.Sleep(time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, _ := newLedger(t)
				limits := &Limits{Idle: time.Hour, Lifetime: time.Hour, Now: time.Now}
				rec := record.Record{ID: [16]byte{1}, UserID: 4711, StartedAt: time.Now().UnixMilli()}
				snap := &Snapshot{Record: rec, Keys: l.Keys(rec.ID, rec.UserID)}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				l.Watch(ctx, snap, limits, cancel)
				synctest.Wait()
				require.Equal(t, 2, watched(l), "one by the session, one by the user")

				over(t, l, snap, cancel)
				synctest.Wait()
				assert.Error(t, ctx.Err())
				assert.Zero(t, watched(l))
			})
		})
	}
}

// watched counts the keys that streams are watched under.
func watched(l *Ledger) int {
	l.streams.mu.Lock()
	defer l.streams.mu.Unlock()
	return len(l.streams.by)
}
