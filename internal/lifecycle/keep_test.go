package lifecycle

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/internal/record"
	"github.com/ecgrid-contrib/ecgridsession/internal/session"
)

// keeperOf is a keeper whose refreshes are made by refresh.
func keeperOf(t testing.TB, refresh func(*session.Snapshot) (*session.Snapshot, error)) (*keeper, *session.Ledger) {
	t.Helper()
	ledger, err := session.NewLedger(nil, [][]byte{[]byte("0123456789abcdef0123456789abcdef")}, "https://rest.example", 0)
	require.NoError(t, err)
	limits := &session.Limits{Idle: 30 * time.Minute, Lifetime: 8 * time.Hour, Now: time.Now}
	k := newKeeper(timing{limits, 2 * time.Minute}, ledger.Keys, refresh)
	t.Cleanup(k.stop)
	return k, ledger
}

// sessionOf is session n, whose token lives for a quarter of an hour.
func sessionOf(ledger *session.Ledger, n int, token string) *session.Snapshot {
	now := time.Now().UnixMilli()
	snap := &session.Snapshot{Record: record.Record{
		UserID: 1, Login: "demo@example.com", StartedAt: now, SeenAt: now,
		Credential: record.Credential{Token: token, IssuedAt: now, ExpiresAt: now + (15 * time.Minute).Milliseconds()},
	}}
	copy(snap.Record.ID[:], fmt.Sprintf("%016d", n))
	snap.Keys = ledger.Keys(snap.Record.ID, 1)
	return snap
}

func refreshed(snap *session.Snapshot) (*session.Snapshot, error) {
	now := time.Now().UnixMilli()
	return snap.WithCredential(snap.Record.Generation+1, record.Credential{
		Token: snap.Record.Credential.Token, IssuedAt: now, ExpiresAt: now + (15 * time.Minute).Milliseconds(),
	}), nil
}

func TestAHeldSessionKeepsNoTokenInTheClear(t *testing.T) {
	k, ledger := keeperOf(t, refreshed)
	k.touch(sessionOf(ledger, 1, "canary-token-of-a-session"), time.Now().UnixMilli())
	require.Len(t, k.due, 1)
	assert.NotContains(t, string(k.due[0].sealed), "canary")
	assert.NotContains(t, string(k.due[0].sealed), "demo@")
	assert.NotContains(t, k.due[0].key, "canary")
}

func TestHeldSessionsAreBoundedInNumberAndMemory(t *testing.T) {
	k, ledger := keeperOf(t, refreshed)
	long := strings.Repeat("~", 16<<10)
	for n := range maxKeptBytes/len(long) + 10 {
		k.touch(sessionOf(ledger, n, long), time.Now().UnixMilli())
	}
	assert.LessOrEqual(t, k.bytes, maxKeptBytes)
	assert.Greater(t, k.bytes, maxKeptBytes-2*len(long))

	for key := range k.held {
		k.forget(key)
	}
	assert.Zero(t, k.bytes)
	assert.Empty(t, k.due)
}

func TestAUseWithoutANewTokenCostsNothingButATime(t *testing.T) {
	k, ledger := keeperOf(t, refreshed)
	snap := sessionOf(ledger, 1, "token")
	now := snap.Record.SeenAt
	k.touch(snap, now)
	sealed := &k.due[0].sealed[0]
	assert.Zero(t, testing.AllocsPerRun(100, func() { k.touch(snap, now+2000) }))
	assert.Same(t, sealed, &k.due[0].sealed[0])
	assert.Equal(t, now+2000, k.due[0].used)
	k.touch(snap, now+1500)
	assert.Equal(t, now+2000, k.due[0].used, "a use is never taken back")
}

func TestAPanicInARefreshGivesUpThatSessionAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		var k *keeper
		var ledger *session.Ledger
		k, ledger = keeperOf(t, func(snap *session.Snapshot) (*session.Snapshot, error) {
			if calls++; calls == 1 {
				panic("of the app")
			}
			return refreshed(snap)
		})
		k.touch(sessionOf(ledger, 1, "a"), time.Now().UnixMilli())
		time.Sleep(time.Minute)
		k.touch(sessionOf(ledger, 2, "b"), time.Now().UnixMilli())
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		assert.Equal(t, 2, calls)
		assert.Len(t, k.held, 1)
	})
}

// The machine has slept, so the timer comes late.
func TestASessionFoundPastItsIdleLimitIsDroppedWithoutARefresh(t *testing.T) {
	k, ledger := keeperOf(t, func(*session.Snapshot) (*session.Snapshot, error) {
		t.Error("refreshed")
		return nil, session.ErrNone
	})
	snap := sessionOf(ledger, 1, "token")
	k.touch(snap, snap.Record.SeenAt)
	require.Len(t, k.held, 1)
	k.limits.Now = func() time.Time { return time.Now().Add(31 * time.Minute) }
	k.wake()
	assert.Empty(t, k.held)
}

func TestNoMoreThanABoundedNumberOfRefreshesRunAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		running := make(chan struct{}, 10*maxKeeping)
		k, ledger := keeperOf(t, func(snap *session.Snapshot) (*session.Snapshot, error) {
			running <- struct{}{}
			<-release
			return refreshed(snap)
		})
		for n := range 2 * maxKeeping {
			k.touch(sessionOf(ledger, n, "token"), time.Now().UnixMilli())
		}
		time.Sleep(14*time.Minute + 45*time.Second)
		assert.Len(t, running, maxKeeping)
		close(release)
		time.Sleep(time.Second)
		assert.Len(t, running, 2*maxKeeping, "the others follow")
	})
}

// BenchmarkKeeper measures the schedule with 100,000 sessions in it, with tokens
// of 800 bytes.
func BenchmarkKeeper(b *testing.B) {
	const sessions = 100_000
	k, ledger := keeperOf(b, refreshed)
	token := strings.Repeat("t", 800)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for n := range sessions {
		k.touch(sessionOf(ledger, n, token), time.Now().UnixMilli())
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	perSession := float64(after.HeapAlloc-before.HeapAlloc) / sessions
	snap := sessionOf(ledger, sessions/2, token)
	b.Run("used again", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			k.touch(snap, snap.Record.SeenAt)
		}
		b.ReportMetric(perSession, "heap-B/session")
	})
	b.Run("new token", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			snap.Record.Generation++
			k.touch(snap, snap.Record.SeenAt)
		}
	})
	b.Run("refreshed", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			k.mu.Lock()
			e := k.due[0]
			k.due.remove(e)
			k.mu.Unlock()
			k.keep(e)
		}
	})
}
