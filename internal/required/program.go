// Package required finds the programs that tests run beside Go: servers,
// proxies, browsers. Where one is missing its tests are skipped; a machine that is
// meant to have it names it in ECGRID_REQUIRE, and there they fail.
package required

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// Program returns the path of the first of names that there is: each is looked
// up in PATH, or is a path itself. Where there is none, the test is skipped with
// a word on the Debian package that has it; with requirement among the words of
// ECGRID_REQUIRE, which commas or spaces part, it fails.
func Program(t testing.TB, requirement, debian string, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	Lacking(t, requirement, fmt.Sprintf("there is no %s on this machine (Debian has it in the package %s)", names[0], debian))
	return ""
}

// Lacking skips a test for what the machine lacks, or fails it where that is
// required, as [Program] does.
func Lacking(t testing.TB, requirement, what string) {
	t.Helper()
	words := strings.FieldsFunc(os.Getenv("ECGRID_REQUIRE"), func(r rune) bool { return r == ',' || r == ' ' })
	if slices.Contains(words, requirement) {
		t.Fatalf("ECGRID_REQUIRE asks for %s, and %s", requirement, what)
	}
	t.Skipf("%s", what)
}
