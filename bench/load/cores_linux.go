package load

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// startOnCores calls start such that the process it starts may run on some cores
// only: count of those that this process may use, after the first skip. Where
// there are not as many, the process may use all.
func startOnCores(skip, count int, start func() error) error {
	// A new process has the cores of the thread that starts it.
	runtime.LockOSThread()
	var all, some unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil || all.Count() < skip+count {
		runtime.UnlockOSThread()
		return start()
	}
	for core, left := 0, count; left > 0; core++ {
		switch {
		case !all.IsSet(core):
		case skip > 0:
			skip--
		default:
			some.Set(core)
			left--
		}
	}
	if err := unix.SchedSetaffinity(0, &some); err != nil {
		runtime.UnlockOSThread()
		return start()
	}
	err := start()
	if unix.SchedSetaffinity(0, &all) == nil {
		runtime.UnlockOSThread() // else the thread ends with its goroutine, and nobody else runs on it
	}
	return err
}
