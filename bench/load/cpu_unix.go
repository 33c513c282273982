//go:build unix

package load

import (
	"syscall"
	"time"
)

// processorTime is how long this process has had a core, for itself and in the
// kernel.
func processorTime() (time.Duration, error) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0, err
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), nil
}
