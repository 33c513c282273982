package rounds

import (
	"fmt"
	"runtime"

	"github.com/ecgrid-contrib/ecgridsession/bench/subject"
)

// Garbage is what one operation leaves to the garbage collector.
type Garbage struct{ Allocations, Bytes float64 }

// GarbageOf counts it: the least of several tries, since whatever else the
// process does is counted too.
func GarbageOf(s subject.Subject) (Garbage, error) {
	const (
		tries = 3
		times = 100
	)
	// On one core nobody allocates between two looks at the statistics but the
	// runtime itself.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	operation := s.Begin()
	var least Garbage
	var before, after runtime.MemStats
	for try := range tries {
		runtime.ReadMemStats(&before)
		if err := repeat(operation, times); err != nil {
			return Garbage{}, fmt.Errorf("%s: %w", s.Name, err)
		}
		runtime.ReadMemStats(&after)
		now := Garbage{
			// Whole ones, as testing.AllocsPerRun has it: a buffer that a
			// collection took from its pool is none of each operation.
			Allocations: float64((after.Mallocs - before.Mallocs) / times),
			Bytes:       float64((after.TotalAlloc - before.TotalAlloc) / times),
		}
		if try == 0 || now.Bytes < least.Bytes {
			least = now
		}
	}
	return least, nil
}
