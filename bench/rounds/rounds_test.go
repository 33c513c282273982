package rounds_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/bench/rounds"
	"github.com/ecgrid-contrib/ecgridsession/bench/subject"
)

func TestQuartiles(t *testing.T) {
	for name, c := range map[string]struct {
		series []float64
		want   rounds.Quartiles
	}{
		"one":                 {[]float64{7}, rounds.Quartiles{Q1: 7, Median: 7, Q3: 7}},
		"two":                 {[]float64{2, 1}, rounds.Quartiles{Q1: 1.25, Median: 1.5, Q3: 1.75}},
		"odd, in no order":    {[]float64{5, 1, 3, 2, 4}, rounds.Quartiles{Q1: 2, Median: 3, Q3: 4}},
		"even":                {[]float64{1, 2, 3, 4}, rounds.Quartiles{Q1: 1.75, Median: 2.5, Q3: 3.25}},
		"one that is far off": {[]float64{1, 1, 1, 1, 1000}, rounds.Quartiles{Q1: 1, Median: 1, Q3: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, c.want, rounds.QuartilesOf(c.series))
		})
	}
}

func TestQuartilesLeaveTheSeriesAsItIs(t *testing.T) {
	series := []float64{3, 1, 2}
	rounds.QuartilesOf(series)
	assert.Equal(t, []float64{3, 1, 2}, series)
}

func TestNothingHasNoMedian(t *testing.T) {
	assert.True(t, math.IsNaN(rounds.QuartilesOf(nil).Median))
}

// The machine is a hundred times slower in the second round, and ten times in
// the third.
var swinging = rounds.Series{
	{10, 1000, 100},
	{20, 2000, 200},
	{40, 4000, 600},
}

func TestRatiosAreTakenInsideTheRound(t *testing.T) {
	assert.Equal(t, rounds.Quartiles{Q1: 2, Median: 2, Q3: 2}, swinging.Ratio(1, 0))
	assert.Equal(t, rounds.Quartiles{Q1: 0.5, Median: 0.5, Q3: 0.5}, swinging.Ratio(0, 1))
	assert.Equal(t, rounds.Quartiles{Q1: 4, Median: 4, Q3: 5}, swinging.Ratio(2, 0))
}

func TestDifferencesAreTakenInsideTheRound(t *testing.T) {
	assert.Equal(t, rounds.Quartiles{Q1: 55, Median: 100, Q3: 550}, swinging.Difference(1, 0))
}

func TestRatiosOfRatiosAreTakenInsideTheRound(t *testing.T) {
	assert.Equal(t, rounds.Quartiles{Q1: 2, Median: 2, Q3: 2.5}, swinging.RatioOfRatios(2, 0, 1, 0))
}

func TestTheTimeIsThatOfTheRunAlone(t *testing.T) {
	assert.Equal(t, rounds.Quartiles{Q1: 110, Median: 200, Q3: 1100}, swinging.Time(1))
}

// doing is a subject that does something.
func doing(name string, what func() error) subject.Subject {
	return subject.Subject{Name: name, Begin: func() subject.Operation { return what }}
}

func TestEveryRunGetsOneSliceInEachRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var order []string
		run := func(name string) rounds.Run {
			return rounds.Run{Subject: doing(name, func() error {
				order = append(order, name)
				time.Sleep(time.Millisecond)
				return nil
			})}
		}
		// An operation fills a slice, so each slice is one of them, and so is
		// what each calibration takes.
		series, err := rounds.Measure(t.Context(), rounds.Options{Rounds: 50, Slice: time.Millisecond}, run("a"), run("b"), run("c"))
		require.NoError(t, err)
		require.Len(t, series, 3)
		for _, times := range series {
			assert.Len(t, times, 50)
		}
		orders := make(map[string]bool)
		require.Len(t, order, 3+3*50)
		for round := range slices.Chunk(order[3:], 3) {
			orders[strings.Join(round, "")] = true
			assert.ElementsMatch(t, []string{"a", "b", "c"}, round)
		}
		assert.Greater(t, len(orders), 2, "the order is drawn anew in each round: %v", orders)
	})
}

func TestTheTimeIsThatOfOneOperationOnOneCore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sleeping := doing("sleep", func() error { time.Sleep(200 * time.Microsecond); return nil })
		series, err := rounds.Measure(t.Context(), rounds.Options{Rounds: 3, Slice: 2 * time.Millisecond},
			rounds.Run{Subject: sleeping}, rounds.Run{Subject: sleeping, Cores: 4})
		require.NoError(t, err)
		assert.Equal(t, rounds.Series{{200e3, 200e3, 200e3}, {200e3, 200e3, 200e3}}, series)
	})
}

func TestASliceIsAsLongAsItIsToBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := rounds.Measure(t.Context(), rounds.Options{Rounds: 1000, Slice: 2 * time.Millisecond},
			rounds.Run{Subject: doing("sleep", func() error { time.Sleep(150 * time.Microsecond); return nil })})
		require.NoError(t, err)
		assert.InDelta(t, 2000, time.Since(began).Milliseconds(), 60)
	})
}

func TestEachCoreHasAnOperationOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var begun, now atomic.Int32
		var together atomic.Bool
		_, err := rounds.Measure(t.Context(), rounds.Options{Rounds: 1, Slice: time.Millisecond}, rounds.Run{
			Cores: 3,
			Subject: subject.Subject{Name: "counted", Begin: func() subject.Operation {
				begun.Add(1)
				return func() error {
					now.Add(1)
					time.Sleep(100 * time.Microsecond) // until all of them sleep
					if now.Load() == 3 {
						together.Store(true)
					}
					now.Add(-1)
					return nil
				}
			}},
		})
		require.NoError(t, err)
		assert.EqualValues(t, 3, begun.Load())
		assert.True(t, together.Load(), "they work at the same time")
	})
}

func TestWhatTakesNoTimeIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, err := rounds.Measure(t.Context(), rounds.Options{Rounds: 1, Slice: time.Millisecond},
			rounds.Run{Subject: doing("idle", func() error { return nil })})
		assert.ErrorContains(t, err, "idle takes no time")
	})
}

func TestWhatFailsIsNotMeasured(t *testing.T) {
	broken := errors.New("broken")
	for name, cores := range map[string]int{"on one core": 1, "on two": 2} {
		t.Run(name, func(t *testing.T) {
			var done atomic.Int32
			late := doing("fails later", func() error {
				if done.Add(1) > 100 {
					return broken
				}
				return nil
			})
			_, err := rounds.Measure(t.Context(), rounds.Options{Rounds: 1000, Slice: time.Microsecond}, rounds.Run{Subject: late, Cores: cores})
			assert.ErrorIs(t, err, broken)
			assert.ErrorContains(t, err, "fails later")
		})
	}
	_, err := rounds.GarbageOf(doing("fails", func() error { return broken }))
	assert.ErrorIs(t, err, broken)
}

func TestAnEndedContextEndsTheRounds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	done := 0
	_, err := rounds.Measure(ctx, rounds.Options{Rounds: 1 << 30, Slice: time.Microsecond}, rounds.Run{Subject: doing("cancels", func() error {
		if done++; done == 1000 {
			cancel()
		}
		return nil
	})})
	assert.ErrorIs(t, err, context.Canceled)
}

func TestMeasuringNothingIsAnError(t *testing.T) {
	fine := rounds.Run{Subject: doing("fine", func() error { return nil })}
	for name, c := range map[string]struct {
		options rounds.Options
		runs    []rounds.Run
	}{
		"no rounds": {rounds.Options{Slice: time.Millisecond}, []rounds.Run{fine}},
		"no slice":  {rounds.Options{Rounds: 1}, []rounds.Run{fine}},
		"no runs":   {rounds.Options{Rounds: 1, Slice: time.Millisecond}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := rounds.Measure(t.Context(), c.options, c.runs...)
			assert.Error(t, err)
		})
	}
}

var kept []byte // keeps the allocation from being optimised away

func TestGarbageIsCounted(t *testing.T) {
	got, err := rounds.GarbageOf(doing("allocates", func() error {
		kept = make([]byte, 1024)
		kept = make([]byte, 512)
		return nil
	}))
	require.NoError(t, err)
	assert.Equal(t, rounds.Garbage{Allocations: 2, Bytes: 1536}, got)
}

func TestWhatAllocatesNothingLeavesNoGarbage(t *testing.T) {
	got, err := rounds.GarbageOf(doing("idle", func() error { return nil }))
	require.NoError(t, err)
	assert.Zero(t, got)
}
