//go:build unix

package replicas_test

import (
	"os"
	"testing"
)

// role names the environment variable by which this test binary, started by its
// own tests, is told what to be.
const role = "ECGRIDSESSION_E2E_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "":
		os.Exit(m.Run())
	case "app":
		os.Exit(runApp())
	case "ecgrid":
		os.Exit(runECGrid())
	default:
		os.Exit(2)
	}
}
