package record

import "time"

// Time reads milliseconds since the Unix epoch, 0 being no time at all. In UTC,
// so that the same moment looks the same everywhere.
func Time(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// Millis is the inverse of Time.
func Millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
