package rounds

import (
	"math"
	"slices"
)

// Quartiles are what of a series is told: a quarter of it is at most Q1, half
// of it at most Median, three quarters at most Q3.
type Quartiles struct{ Q1, Median, Q3 float64 }

// Times is each of them times a factor over 0.
func (q Quartiles) Times(factor float64) Quartiles {
	return Quartiles{Q1: q.Q1 * factor, Median: q.Median * factor, Q3: q.Q3 * factor}
}

// QuartilesOf sums a series up, which stays as it is. Between two members it
// takes the straight line. Of an empty series it returns NaN.
func QuartilesOf(series []float64) Quartiles {
	sorted := slices.Sorted(slices.Values(series))
	return Quartiles{Q1: quantile(sorted, 0.25), Median: quantile(sorted, 0.5), Q3: quantile(sorted, 0.75)}
}

func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	place := q * float64(len(sorted)-1)
	below := int(place)
	above := min(below+1, len(sorted)-1)
	return sorted[below] + (place-float64(below))*(sorted[above]-sorted[below])
}
