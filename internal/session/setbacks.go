package session

import "time"

// How an entry writes its failures, their finality and the pause: in one number.
// Version 1.0 has the count alone there. To it the number is a high count, and it
// backs off, so replicas of both versions can share a ledger.
const (
	maxFailures = 1<<16 - 1
	finalBit    = 1 << 16
	pauseShift  = 17
	maxPause    = 24 * time.Hour
)

func packSetbacks(failures uint64, final bool, pause time.Duration) uint64 {
	n := min(failures, maxFailures)
	if final {
		n |= finalBit
	}
	// In seconds, rounded up.
	seconds := (min(max(pause, 0), maxPause) + time.Second - 1) / time.Second
	return n | uint64(seconds)<<pauseShift
}

func unpackSetbacks(n uint64) (failures uint64, final bool, pause time.Duration) {
	pause = time.Duration(min(n>>pauseShift, uint64(maxPause/time.Second))) * time.Second
	return n & maxFailures, n&finalBit != 0, pause
}
