//go:build linux

package browser_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// patience bounds everything that should happen soon on a busy machine.
const patience = 30 * time.Second

var screenshots = flag.String("screenshots", "", "write a picture of each page into this `directory`")

func TestMain(m *testing.M) {
	flag.Parse()
	status := m.Run()
	for _, end := range slices.Backward(atTheEnd) {
		if err := end(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			status = 1
		}
	}
	os.Exit(status)
}

// atTheEnd holds what ends the things that all tests share. They are started one
// at a time, by whoever needs them first.
var atTheEnd []func() error

// lacking skips a test for want of a program, or fails it where chromium is
// required.
func lacking(t *testing.T, what string, err error) {
	t.Helper()
	required := strings.FieldsFunc(os.Getenv("ECGRID_REQUIRE"), func(r rune) bool { return r == ',' || r == ' ' })
	if slices.Contains(required, "chromium") {
		t.Fatalf("ECGRID_REQUIRE asks for chromium: there is no %s: %v", what, err)
	}
	t.Skipf("there is no %s: %v", what, err)
}
