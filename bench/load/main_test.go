package load_test

import (
	"os"
	"testing"

	"github.com/ecgrid-contrib/ecgridsession/bench/load"
)

// Measure starts this very binary for its processes.
func TestMain(m *testing.M) {
	load.Child()
	os.Exit(m.Run())
}
