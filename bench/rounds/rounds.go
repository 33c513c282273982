// Package rounds measures things beside each other on a machine whose speed
// changes from one second to the next.
//
// A round gives each of them one short slice of time, in an order drawn anew,
// and ratios are taken inside the round: what slows the machine down for longer
// than that slows down all of them, and falls out of the ratio. The median of
// many rounds then leaves out the slices that something fell into, garbage
// collections among them; that favours whoever makes more garbage.
package rounds

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/ecgrid-contrib/ecgridsession/bench/subject"
)

// Options say how much is measured.
type Options struct {
	Rounds int           // how often each is measured
	Slice  time.Duration // for about how long at a time
}

// Run is one of the things that are measured beside each other: a subject, on
// as many cores at once.
type Run struct {
	Subject subject.Subject
	Cores   int // 0 is 1
}

// Series are the times of all rounds: for each run, and each round, the
// nanoseconds of one operation as the core that does it sees it.
type Series [][]float64

// Measure gives each run its slice in each round.
func Measure(ctx context.Context, o Options, runs ...Run) (Series, error) {
	if o.Rounds < 1 || o.Slice <= 0 || len(runs) == 0 {
		return nil, errors.New("rounds: nothing to measure")
	}
	workers := make([]*worker, len(runs))
	for i, run := range runs {
		workers[i] = newWorker(run)
		if err := workers[i].calibrate(o.Slice); err != nil {
			return nil, err
		}
	}
	s := make(Series, len(runs))
	for range o.Rounds {
		for _, i := range rand.Perm(len(runs)) {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			took, err := workers[i].slice()
			if err != nil {
				return nil, err
			}
			s[i] = append(s[i], took)
		}
	}
	return s, nil
}

// Time is how long one operation of a run took, in nanoseconds.
func (s Series) Time(run int) Quartiles { return QuartilesOf(s[run]) }

// Ratio is how much longer one run's operation took than another's, round by
// round.
func (s Series) Ratio(of, to int) Quartiles {
	return s.compare(of, to, func(a, b float64) float64 { return a / b })
}

// Difference is by how many nanoseconds one run's operation took longer than
// another's, round by round.
func (s Series) Difference(of, to int) Quartiles {
	return s.compare(of, to, func(a, b float64) float64 { return a - b })
}

// RatioOfRatios is Ratio(a, b) over Ratio(c, d), round by round.
func (s Series) RatioOfRatios(a, b, c, d int) Quartiles {
	series := make([]float64, len(s[a]))
	for i := range series {
		series[i] = s[a][i] / s[b][i] / (s[c][i] / s[d][i])
	}
	return QuartilesOf(series)
}

func (s Series) compare(of, to int, by func(a, b float64) float64) Quartiles {
	series := make([]float64, len(s[of]))
	for i := range series {
		series[i] = by(s[of][i], s[to][i])
	}
	return QuartilesOf(series)
}

// worker does one run's operations.
type worker struct {
	name       string
	operations []subject.Operation // one for each core
	times      int                 // how often each is done in a slice
	failures   []error
}

func newWorker(run Run) *worker {
	w := &worker{name: run.Subject.Name}
	for range max(run.Cores, 1) {
		w.operations = append(w.operations, run.Subject.Begin())
	}
	w.failures = make([]error, len(w.operations))
	return w
}

// calibrate finds out how many operations fill a slice. It also warms up.
func (w *worker) calibrate(slice time.Duration) error {
	w.times = 1
	for w.times < mostTimes {
		took, err := w.slice()
		if err != nil {
			return err
		}
		if all := took * float64(w.times); all >= float64(slice)/2 {
			w.times = max(1, int(float64(slice)/took))
			return nil
		}
		w.times *= 2
	}
	return fmt.Errorf("rounds: %s takes no time", w.name)
}

// mostTimes is how often nothing can be done that is worth measuring.
const mostTimes = 1 << 24

// slice does the operations and returns how long one of them took.
func (w *worker) slice() (nanoseconds float64, err error) {
	began := time.Now()
	if len(w.operations) == 1 {
		w.failures[0] = repeat(w.operations[0], w.times)
	} else {
		var all sync.WaitGroup
		for i, operation := range w.operations {
			all.Go(func() { w.failures[i] = repeat(operation, w.times) })
		}
		all.Wait()
	}
	took := time.Since(began)
	if err := errors.Join(w.failures...); err != nil {
		return 0, fmt.Errorf("%s: %w", w.name, err)
	}
	return float64(took.Nanoseconds()) / float64(w.times), nil
}

func repeat(operation subject.Operation, times int) error {
	for range times {
		if err := operation(); err != nil {
			return err
		}
	}
	return nil
}
