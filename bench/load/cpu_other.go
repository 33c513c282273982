//go:build !unix

package load

import "time"

// processorTime is not known here: the columns that need it say 0.
func processorTime() (time.Duration, error) { return 0, nil }
