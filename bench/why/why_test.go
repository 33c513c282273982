package why_test

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/bench/report"
	"github.com/ecgrid-contrib/ecgridsession/bench/why"
)

func TestReasonsAreFilledInWhereTheyAreMissing(t *testing.T) {
	files := fstest.MapFS{
		"too-slow.md": {Data: []byte("It waits.")}, "fine.md": {Data: []byte("It was not.")}, "known.md": {Data: []byte("Another reason.")},
	}
	targets := []report.Target{
		{Name: "Too slow"}, {Name: "Fine", Reached: true}, {Name: "Known", Why: "Its own."}, {Name: "Unexplained"},
	}
	require.NoError(t, why.Explain(files, targets))
	assert.Equal(t, []report.Target{
		{Name: "Too slow", Why: "It waits."}, {Name: "Fine", Reached: true}, {Name: "Known", Why: "Its own."}, {Name: "Unexplained"},
	}, targets)
}
