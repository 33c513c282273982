//go:build linux

package browser_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"
)

// patience bounds everything that should happen soon on a busy machine.
const patience = 30 * time.Second

var screenshots = flag.String("screenshots", "", "write a picture of each page into this `directory`")

func TestMain(m *testing.M) {
	flag.Parse()
	status := m.Run()
	for _, end := range slices.Backward(ends) {
		if err := end(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			status = 1
		}
	}
	os.Exit(status)
}

var (
	endsMu sync.Mutex
	ends   []func() error
)

// atTheEnd is for what all tests share: it is started by whoever needs it first,
// and ended, the latest first, when all of them are done.
func atTheEnd(end func() error) {
	endsMu.Lock()
	defer endsMu.Unlock()
	ends = append(ends, end)
}
