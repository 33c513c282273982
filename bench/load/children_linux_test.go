package load_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// children are the processes whose parent is this one, but for those that were
// there at first.
type children struct {
	t      *testing.T
	before map[string]bool
}

func watchChildren(t *testing.T) children {
	t.Helper()
	return children{t, childrenNow(t)}
}

func (c children) running() int {
	n := 0
	for pid := range childrenNow(c.t) {
		if !c.before[pid] {
			n++
		}
	}
	return n
}

func (c children) assertSome(running int) {
	c.t.Helper()
	assert.Equal(c.t, 2, running, "the apps and the generator have processes of their own")
}

func (c children) assertNone() {
	c.t.Helper()
	assert.Zero(c.t, c.running(), "processes are left behind")
}

// childrenNow reads them from /proc, zombies included.
func childrenNow(t *testing.T) map[string]bool {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	require.NoError(t, err)
	require.NotEmpty(t, stats)
	found := make(map[string]bool)
	for _, stat := range stats {
		text, err := os.ReadFile(stat)
		if err != nil {
			continue // it has ended meanwhile
		}
		// pid (name) state ppid: the name may hold anything.
		_, rest, _ := bytes.Cut(text[bytes.LastIndexByte(text, ')'):], []byte(" "))
		if fields := bytes.Fields(rest); len(fields) > 1 && string(fields[1]) == strconv.Itoa(os.Getpid()) {
			found[filepath.Base(filepath.Dir(stat))] = true
		}
	}
	return found
}
