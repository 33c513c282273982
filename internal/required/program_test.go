//go:build unix

package required_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/internal/required"
)

// outcome is a testing.TB that notes how the test was stopped, and stops it by
// a panic.
type outcome struct {
	testing.TB
	skipped, failed string
}

func (o *outcome) Helper() {}

func (o *outcome) Skipf(format string, args ...any) {
	o.skipped = fmt.Sprintf(format, args...)
	panic(o)
}

func (o *outcome) Fatalf(format string, args ...any) {
	o.failed = fmt.Sprintf(format, args...)
	panic(o)
}

func lookFor(t *testing.T, names ...string) (path string, o *outcome) {
	t.Helper()
	o = &outcome{TB: t}
	defer func() {
		if stopped := recover(); stopped != nil {
			require.Same(t, o, stopped)
		}
	}()
	return required.Program(o, "nginx", "nginx-light", names...), o
}

const nowhere = "a-program-that-there-is-not"

func TestTheFirstProgramThatThereIsIsFound(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "program")
	require.NoError(t, os.WriteFile(program, nil, 0o700))
	t.Setenv("PATH", dir)
	for _, names := range [][]string{{"program"}, {nowhere, "program"}, {nowhere, program}} {
		path, o := lookFor(t, names...)
		assert.Equal(t, program, path)
		assert.Empty(t, o.skipped+o.failed)
	}
}

func TestAMissingProgramSkipsItsTestUnlessItIsRequired(t *testing.T) {
	for list, fails := range map[string]bool{
		"":                  false,
		"redis":             false,
		"nginx2,anginx":     false,
		"nginx":             true,
		"redis,nginx":       true,
		"nginx,redis":       true,
		"redis, nginx":      true,
		" chromium nginx, ": true,
	} {
		t.Setenv("ECGRID_REQUIRE", list)
		_, o := lookFor(t, nowhere)
		if fails {
			assert.Contains(t, o.failed, "ECGRID_REQUIRE asks for nginx", "%q", list)
			assert.Contains(t, o.failed, "nginx-light")
			continue
		}
		assert.Empty(t, o.failed, "%q", list)
		assert.Contains(t, o.skipped, nowhere)
		assert.Contains(t, o.skipped, "nginx-light")
	}
}
