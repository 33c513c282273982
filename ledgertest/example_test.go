package ledgertest_test

import (
	"fmt"
	"os"
	"regexp"
	"testing"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ledgertest"
)

// A ledger of one's own is run through the suite in a test of its package, from
// a function such as this.
func ExampleRun() {
	testLedger := func(t *testing.T) {
		ledgertest.Run(t, func(t *testing.T) ecgridsession.Ledger {
			return ecgridsession.NewMemoryLedger() // one's own, closed by t.Cleanup
		})
	}

	fmt.Println("keeps the contract:", passes("ExampleRun", testLedger))
	// Output: keeps the contract: true
}

// passes runs a test within an example, and keeps what -v makes it say to itself.
func passes(name string, test func(*testing.T)) bool {
	stdout := os.Stdout
	defer func() { os.Stdout = stdout }()
	if null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0); err == nil {
		defer null.Close()
		os.Stdout = null
	}
	ran := false
	match := func(pattern, name string) (bool, error) { return regexp.MatchString(pattern, name) }
	passed := testing.RunTests(match, []testing.InternalTest{{Name: name, F: func(t *testing.T) {
		ran = true
		test(t)
	}}})
	return passed && ran
}
