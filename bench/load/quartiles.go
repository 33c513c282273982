package load

import (
	"fmt"
	"slices"
)

// spread is the middle of some figures: half of them lie between the quartiles.
type spread struct{ lower, median, upper, most float64 }

func spreadOf(values []float64) spread {
	sorted := slices.Sorted(slices.Values(values))
	if len(sorted) == 0 {
		return spread{}
	}
	return spread{quantile(sorted, 0.25), quantile(sorted, 0.5), quantile(sorted, 0.75), sorted[len(sorted)-1]}
}

// quantile interpolates between the two figures that q falls between.
func quantile(sorted []float64, q float64) float64 {
	place := q * float64(len(sorted)-1)
	below := int(place)
	above := min(below+1, len(sorted)-1)
	return sorted[below] + (place-float64(below))*(sorted[above]-sorted[below])
}

// text gives the median and, in brackets, the quartiles, each by format.
func (s spread) text(format string) string {
	return fmt.Sprintf(format+" ("+format+" to "+format+")", s.median, s.lower, s.upper)
}

// eachRound relates the figures of two series round by round.
func eachRound(a, b []float64, relate func(a, b float64) float64) []float64 {
	related := make([]float64, min(len(a), len(b)))
	for i := range related {
		related[i] = relate(a[i], b[i])
	}
	return related
}

func ratio(a, b float64) float64      { return a / b }
func inverse(a, b float64) float64    { return b / a }
func difference(a, b float64) float64 { return a - b }
