package stores

import (
	"encoding/binary"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/internal/session"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// endSessions has so many sessions ended in a ledger, as a sign-out does.
func endSessions(t *testing.T, ledger *session.Ledger, from, n int, ttl time.Duration) {
	t.Helper()
	for i := range n {
		var id [16]byte
		binary.BigEndian.PutUint64(id[:], uint64(from+i))
		keys := ledger.Keys(id, 0)
		_, swapped, err := ledger.SwapEntry(t.Context(), &keys, session.Entry{}, session.Entry{State: session.Ended}, ttl)
		if err != nil || !swapped {
			t.Fatalf("swapped: %t, error: %v", swapped, err)
		}
	}
}

func TestEndedSessionsTakeTheMemoryOfTheirEntriesUntilTheyLapse(t *testing.T) {
	const sessions, atMost = 200_000, 200 // bytes for each
	synctest.Test(t, func(t *testing.T) {
		ledger := ecgridsession.NewMemoryLedger()
		sealed, err := session.NewLedger(ledger, [][]byte{site.NewKey(t)}, site.Upstream, 0)
		require.NoError(t, err)
		empty := heapInUse()
		endSessions(t, sealed, 0, sessions, 10*time.Minute)
		full := heapInUse()
		each := float64(full-empty) / sessions
		t.Logf("%.0f bytes for each of %d ended sessions", each, sessions)
		assert.Less(t, each, float64(atMost))

		time.Sleep(10*time.Minute - time.Second)
		before := heapInUse()
		assert.Greater(t, before, empty+(full-empty)/2, "none goes before it has lapsed")

		time.Sleep(2 * time.Minute) // two sweeps
		synctest.Wait()
		left := int64(heapInUse()) - int64(empty)
		t.Logf("%d bytes left of them all once they have lapsed", left)
		assert.Less(t, left, int64(full-empty)/20)
		runtime.KeepAlive(ledger)
		runtime.KeepAlive(sealed)
	})
}

func TestASweepGoesOnWhileThereAreEntries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ledger := ecgridsession.NewMemoryLedger()
		sealed, err := session.NewLedger(ledger, [][]byte{site.NewKey(t)}, site.Upstream, 0)
		require.NoError(t, err)
		empty := heapInUse()
		// A steady stream: what lapses makes room for what comes.
		var most int64
		for hour := range 10 {
			endSessions(t, sealed, hour*10_000, 10_000, time.Hour)
			most = max(most, int64(heapInUse())-int64(empty))
			time.Sleep(time.Hour + time.Minute)
		}
		t.Logf("at most %d bytes for 10,000 at a time", most)
		assert.Less(t, most, int64(3*10_000*200))
		// And after a time without any, it takes up again.
		time.Sleep(24 * time.Hour)
		endSessions(t, sealed, 1_000_000, 50_000, time.Minute)
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		assert.Less(t, int64(heapInUse())-int64(empty), int64(50_000*20))
		runtime.KeepAlive(ledger)
		runtime.KeepAlive(sealed)
	})
}

func TestALedgerThatIsForgottenCanBeCollected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ledger := ecgridsession.NewMemoryLedger()
		require.True(t, swap(t, ledger, "k", nil, []byte("v"), time.Second))
		forgotten := weak.Make(ledger)
		runtime.KeepAlive(ledger)
		// It owns no goroutine, and the timer of its sweep ends with its entries.
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		runtime.GC()
		assert.Nil(t, forgotten.Value())
	})
}

func heapInUse() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC() // what has a finalizer goes in the second
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// swap is a CompareAndSwap that must give no error.
func swap(t *testing.T, l ecgridsession.Ledger, key string, old, next []byte, ttl time.Duration) bool {
	t.Helper()
	swapped, err := l.CompareAndSwap(t.Context(), key, old, next, ttl)
	require.NoError(t, err)
	return swapped
}
