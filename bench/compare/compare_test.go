package compare_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/bench/compare"
	"github.com/ecgrid-contrib/ecgridsession/bench/load"
	"github.com/ecgrid-contrib/ecgridsession/bench/report"
	"github.com/ecgrid-contrib/ecgridsession/bench/rounds"
)

func TestMain(m *testing.M) {
	load.Child()
	os.Exit(m.Run())
}

func TestEachTargetHasItsMeasureAndEachTableItsCells(t *testing.T) {
	options := compare.Options{
		Rounds: rounds.Options{Rounds: 2, Slice: time.Microsecond}, Entries: 100, Dir: t.TempDir(), Cores: 2,
		Load: load.Options{
			Rounds: 1, Slice: 5 * time.Millisecond, Conns: 2, SignOuts: 2, Hangs: 1, LogoutTimeout: 100 * time.Millisecond,
		},
	}
	asked := make(map[string]report.Target)
	titles := make(map[string]bool)
	for _, comparison := range compare.All() {
		part, err := comparison.Run(t.Context(), options)
		require.NoError(t, err, comparison.Name)
		for _, target := range part.Targets {
			assert.NotContains(t, asked, target.Name, "each target is asked for once")
			asked[target.Name] = target
			assert.NotEmpty(t, target.Asked, target.Name)
			assert.NotEmpty(t, target.Measured, target.Name)
			assert.NotContains(t, target.Measured, "NaN", target.Name)
		}
		require.NotEmpty(t, part.Tables, comparison.Name)
		for _, table := range part.Tables {
			assert.False(t, titles[table.Title], table.Title)
			titles[table.Title] = true
			require.NotEmpty(t, table.Rows, table.Title)
			for _, row := range table.Rows {
				assert.Len(t, row, len(table.Head), "%s: %s", table.Title, row[0])
				assert.NotContains(t, strings.Join(row, " "), "NaN", table.Title)
			}
		}
		if comparison.Name == "opening a session" {
			assert.Len(t, part.Bars, 7)
		} else {
			assert.Empty(t, part.Bars, comparison.Name)
		}
	}
	for _, name := range []string{
		"Beside gorilla as its README shows it, 700-byte JWT", "Beside gorilla with a compact serializer, 700-byte JWT",
		"Beside gorilla as its README shows it, 2048-byte JWT", "Beside gorilla with a compact serializer, 2048-byte JWT",
		"Beside the limit, 700-byte JWT", "Opening a session, allocations", "Opening a session, bytes",
		"8 keys, whichever sealed it", "Unknown key refused, 8 keys",
		"Anonymous request without cookies", "Anonymous request without cookies, allocations",
		"Anonymous request with 6 cookies of others", "Anonymous request with 6 cookies of others, allocations",
		"Transport beside the one of oauth2", "Transport, allocations",
		"Cookie, 700-byte token, JWT", "Cookie, 700-byte token, opaque", "Cookie, 700-byte token, opaque, any letter",
		"Longest JWT in the cookie", "Throughput over the cores", "Lookup in the ledger with 2 cores at it",
		"End to end, of the bare app that is sent the same cookies", "End to end, of gorilla by hand",
		"End to end, of the bare app that is sent the same cookies, few headers", "End to end, of gorilla by hand, few headers",
		"Sign-out: the time over ECGrid's own answer",
		"Sign-out: the time over LogoutTimeout where ECGrid never answers",
	} {
		assert.Contains(t, asked, name)
	}
	assert.Len(t, asked, 27)
	// What is counted comes out the same however short the run is.
	assert.True(t, asked["Opening a session, allocations"].Reached)
	assert.True(t, asked["Longest JWT in the cookie"].Reached)
}
