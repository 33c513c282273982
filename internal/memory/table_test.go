package memory_test

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/internal/memory"
)

// swap is a CompareAndSwap that must give no error.
func swap(t *testing.T, l *memory.Table, key string, old, next []byte, ttl time.Duration) bool {
	t.Helper()
	swapped, err := l.CompareAndSwap(t.Context(), key, old, next, ttl)
	require.NoError(t, err)
	return swapped
}

// held is the value under a key, nil for none.
func held(t *testing.T, l *memory.Table, key string) []byte {
	t.Helper()
	values, err := l.Load(t.Context(), key)
	require.NoError(t, err)
	require.Len(t, values, 1)
	return values[0]
}

func TestTheLedgerSwapsWhereThePresentValueIsTheOldOne(t *testing.T) {
	for name, c := range map[string]struct {
		present, old []byte
		swaps        bool
	}{
		"absent, as expected":                      {nil, nil, true},
		"absent, a value expected":                 {nil, []byte("a"), false},
		"absent, the empty value expected":         {nil, []byte{}, false},
		"present, as expected":                     {[]byte("a"), []byte("a"), true},
		"present, none expected":                   {[]byte("a"), nil, false},
		"present, another expected":                {[]byte("a"), []byte("b"), false},
		"present, its beginning expected":          {[]byte("ab"), []byte("a"), false},
		"present, a longer one expected":           {[]byte("a"), []byte("ab"), false},
		"the empty value, as expected":             {[]byte{}, []byte{}, true},
		"the empty value, none expected":           {[]byte{}, nil, false},
		"a value, the empty one expected":          {[]byte("a"), []byte{}, false},
		"NUL is a value and not its end":           {[]byte("a\x00b"), []byte("a\x00c"), false},
		"the same value again, as it was expected": {[]byte("next"), []byte("next"), true},
	} {
		l := memory.New()
		if c.present != nil {
			require.True(t, swap(t, l, "k", nil, c.present, time.Hour))
		}
		assert.Equal(t, c.swaps, swap(t, l, "k", c.old, []byte("next"), time.Hour), name)
		want := c.present
		if c.swaps {
			want = []byte("next")
		}
		assert.Equal(t, want, held(t, l, "k"), name)
	}
}

func TestAnEmptyValueIsAValue(t *testing.T) {
	l := memory.New()
	require.True(t, swap(t, l, "k", nil, []byte{}, time.Hour))
	assert.NotNil(t, held(t, l, "k"))
	assert.Empty(t, held(t, l, "k"))
}

func TestLoadGivesOneValuePerKeyInTheirOrder(t *testing.T) {
	l := memory.New()
	for _, k := range []string{"a", "b", "c"} {
		require.True(t, swap(t, l, k, nil, []byte("value of "+k), time.Hour))
	}
	for _, keys := range [][]string{
		{}, {"a"}, {"x"}, {"a", "b"}, {"b", "a"}, {"x", "a"}, {"a", "x"}, {"x", "y"}, {"a", "a"}, {"c", "x", "a", "b"}, {"x", "y", "z"}, {""},
	} {
		values, err := l.Load(t.Context(), keys...)
		require.NoError(t, err)
		require.Len(t, values, len(keys))
		for i, k := range keys {
			if strings.Contains("abc", k) && k != "" {
				assert.Equal(t, "value of "+k, string(values[i]), keys)
			} else {
				assert.Nil(t, values[i], keys)
			}
		}
	}
}

func TestAnAnswerWithoutValuesNeverTakesOnAnothers(t *testing.T) {
	// Absent keys share one answer; finding a value must not write into it.
	l := memory.New()
	require.True(t, swap(t, l, "other", nil, []byte("v"), time.Hour))
	absent, err := l.Load(t.Context(), "x", "y")
	require.NoError(t, err)
	require.True(t, swap(t, l, "k", nil, []byte("v"), time.Hour))
	for _, keys := range [][]string{{"k"}, {"k", "x"}, {"x", "k"}, {"k", "other"}} {
		_, err := l.Load(t.Context(), keys...)
		require.NoError(t, err)
	}
	assert.Equal(t, [][]byte{nil, nil}, absent)
	again, err := memory.New().Load(t.Context(), "x", "y")
	require.NoError(t, err)
	assert.Equal(t, [][]byte{nil, nil}, again)
}

func TestTheLedgerKeepsNeitherTheCallersValueNorItsKey(t *testing.T) {
	l := memory.New()
	next := []byte("value")
	require.True(t, swap(t, l, "k", nil, next, time.Hour))
	next[0] = 'X'
	assert.Equal(t, "value", string(held(t, l, "k")))
	first := held(t, l, "k")
	require.True(t, swap(t, l, "k", []byte("value"), []byte("other"), time.Hour))
	assert.Equal(t, "value", string(first), "what was loaded never changes")
}

func TestTheLedgerHoldsNoMoreOfAKeyThanTheKey(t *testing.T) {
	l := memory.New()
	const n, size = 500, 64 << 10
	before := heapInUse()
	for i := range n {
		long := fmt.Sprintf("%06d", i) + strings.Repeat("x", size) // as a key that is a part of a request
		key := long[:6]
		require.True(t, swap(t, l, key, nil, []byte("1"), time.Hour))
		again := strings.Clone(long)[:6]
		require.True(t, swap(t, l, again, []byte("1"), []byte("2"), time.Hour), "a map takes over the key of a later assignment")
	}
	grown := int64(heapInUse()) - int64(before)
	assert.Less(t, grown, int64(n*size/10))
	runtime.KeepAlive(l)
}

func heapInUse() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC() // what has a finalizer goes in the second
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

func TestAnEntryStaysForItsTimeToLiveAndNoLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memory.New()
		time.Sleep(time.Hour) // the ledger is older than its entries
		require.True(t, swap(t, l, "short", nil, []byte("s"), time.Second))
		require.True(t, swap(t, l, "long", nil, []byte("l"), time.Hour))
		time.Sleep(time.Second - 1)
		assert.NotNil(t, held(t, l, "short"))
		assert.False(t, swap(t, l, "short", nil, []byte("x"), time.Second))
		time.Sleep(time.Nanosecond)
		assert.Nil(t, held(t, l, "short"), "also before any sweep")
		assert.False(t, swap(t, l, "short", []byte("s"), []byte("x"), time.Second), "what has lapsed is no longer there")
		assert.True(t, swap(t, l, "short", nil, []byte("new"), time.Second))
		assert.Equal(t, "new", string(held(t, l, "short")))
		time.Sleep(time.Hour - 2*time.Second)
		assert.NotNil(t, held(t, l, "long"), "sweeps take only what has lapsed")
		time.Sleep(time.Second)
		assert.Nil(t, held(t, l, "long"))
	})
}

func TestASwapGivesItsOwnTimeToLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memory.New()
		require.True(t, swap(t, l, "longer", nil, []byte("1"), time.Second))
		require.True(t, swap(t, l, "longer", []byte("1"), []byte("2"), time.Hour))
		require.True(t, swap(t, l, "shorter", nil, []byte("1"), time.Hour))
		require.True(t, swap(t, l, "shorter", []byte("1"), []byte("2"), time.Second))
		require.True(t, swap(t, l, "failed", nil, []byte("1"), time.Second))
		require.False(t, swap(t, l, "failed", []byte("0"), []byte("2"), time.Hour))
		time.Sleep(time.Minute)
		assert.NotNil(t, held(t, l, "longer"))
		assert.Nil(t, held(t, l, "shorter"))
		assert.Nil(t, held(t, l, "failed"), "a swap that failed prolongs nothing")
	})
}

func TestTheLongestTimeToLiveIsNotTheShortest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memory.New()
		time.Sleep(time.Hour)
		require.True(t, swap(t, l, "k", nil, []byte("1"), math.MaxInt64))
		assert.NotNil(t, held(t, l, "k"))
		time.Sleep(24 * time.Hour)
		assert.NotNil(t, held(t, l, "k"))
	})
}

func TestOfAnyNumberOfSwapsWithOneOldValueOneWins(t *testing.T) {
	l := memory.New()
	old := []byte(nil)
	for round := range 50 {
		var won atomic.Int32
		var winner atomic.Value
		var ready, done sync.WaitGroup
		start := make(chan struct{})
		for i := range 64 {
			ready.Add(1)
			done.Go(func() {
				next := fmt.Appendf(nil, "%d by %d", round, i)
				ready.Done()
				<-start
				swapped, err := l.CompareAndSwap(context.Background(), "k", old, next, time.Hour)
				assert.NoError(t, err)
				if swapped {
					won.Add(1)
					winner.Store(next)
				}
				_, err = l.Load(context.Background(), "k", "other")
				assert.NoError(t, err)
			})
		}
		ready.Wait()
		close(start)
		done.Wait()
		require.EqualValues(t, 1, won.Load())
		require.Equal(t, winner.Load(), held(t, l, "k"))
		old = held(t, l, "k")
	}
}

func TestTheLedgerRefusesWhatNoCallerMeans(t *testing.T) {
	l := memory.New()
	for name, call := range map[string]func() (bool, error){
		"no time to live":       func() (bool, error) { return l.CompareAndSwap(t.Context(), "k", nil, []byte("v"), 0) },
		"negative time to live": func() (bool, error) { return l.CompareAndSwap(t.Context(), "k", nil, []byte("v"), -1) },
		"no value":              func() (bool, error) { return l.CompareAndSwap(t.Context(), "k", nil, nil, time.Hour) },
	} {
		swapped, err := call()
		assert.Error(t, err, name)
		assert.False(t, swapped, name)
		assert.Nil(t, held(t, l, "k"), name)
	}
}

func TestADoneContextIsTheLedgersError(t *testing.T) {
	l := memory.New()
	require.True(t, swap(t, l, "k", nil, []byte("v"), time.Hour))
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	for ctx, want := range map[context.Context]error{cancelled: context.Canceled, late: context.DeadlineExceeded} {
		values, err := l.Load(ctx, "k")
		assert.ErrorIs(t, err, want)
		assert.Nil(t, values)
		swapped, err := l.CompareAndSwap(ctx, "k", []byte("v"), []byte("w"), time.Hour)
		assert.ErrorIs(t, err, want)
		assert.False(t, swapped)
	}
	assert.Equal(t, "v", string(held(t, l, "k")))
}
