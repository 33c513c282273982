package load_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ecgrid-contrib/ecgridsession/bench/load"
)

func TestQuartilesPartTheFiguresInFour(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   [4]float64
	}{
		{nil, [4]float64{}},
		{[]float64{7}, [4]float64{7, 7, 7, 7}},
		{[]float64{5, 1, 4, 2, 3}, [4]float64{2, 3, 4, 5}},
		{[]float64{4, 3, 2, 1}, [4]float64{1.75, 2.5, 3.25, 4}},
	} {
		assert.Equal(t, c.want, load.Quartiles(c.values...))
	}
}

const ms = time.Millisecond

// asAsked is a measurement that reaches every target: all but gorilla's only just.
func asAsked() load.Figures {
	return load.Figures{
		Middleware: []float64{830, 1660, 2490},
		Gorilla:    []float64{300, 600, 900},
		Bare:       []float64{1000, 2000, 3000},
		Beyond:     []time.Duration{ms, ms, ms, ms, 99 * ms}, // single calls are the machine's
		OverLimit:  []time.Duration{0, 0, 0, 0, 50 * ms},
	}
}

func TestTargetsAreReachedByWhatWasAskedAndNoLess(t *testing.T) {
	for _, target := range load.ResultOf(asAsked()).Targets() {
		assert.True(t, target.Reached, "%+v", target)
	}
	for _, c := range []struct {
		change func(*load.Figures)
		missed []int
	}{
		{func(f *load.Figures) { f.Middleware[0], f.Middleware[1] = 829, 1658 }, []int{0, 1}},
		{func(f *load.Figures) { f.Gorilla[0], f.Gorilla[1] = 333, 667 }, []int{2, 3}},
		{func(f *load.Figures) { f.Beyond[1] = 2 * ms }, []int{4}},
		{func(f *load.Figures) { f.OverLimit[0] = 51 * ms }, []int{5}},
	} {
		figures := asAsked()
		c.change(&figures)
		for i, target := range load.ResultOf(figures).Targets() {
			assert.Equal(t, !slices.Contains(c.missed, i), target.Reached, "%+v", target)
		}
	}
}

func TestRatiosAreTakenInsideTheRounds(t *testing.T) {
	f := asAsked()
	// The machine is ten times as fast in one round: the medians of the figures
	// would say 2, the rounds all say 1.
	f.Middleware, f.Bare = []float64{10, 100, 20}, []float64{10, 100, 20}
	f.Gorilla = []float64{10, 100, 20}
	targets := load.ResultOf(f).Targets()
	assert.Contains(t, targets[0].Measured, "1.00 (1.00 to 1.00)")
	f.Bare = []float64{20, 50, 40}
	assert.Contains(t, load.ResultOf(f).Targets()[0].Measured, "0.50 (0.50 to 1.25)")
}
