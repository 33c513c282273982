package routers_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const docs = "../../docs/routers.md"

func TestTheCodeOfTheDocumentationIsWhatIsTestedHere(t *testing.T) {
	text, err := os.ReadFile(docs)
	require.NoError(t, err)
	files, err := filepath.Glob("*_test.go")
	require.NoError(t, err)
	var tested strings.Builder
	for _, file := range files {
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		tested.Write(source)
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	assert.Equal(t, strings.Count(string(text), "```"), 2*len(blocks), "every block is Go")
	require.NotEmpty(t, blocks)
	for _, block := range blocks {
		name, _, _ := strings.Cut(block[1], "\n")
		assert.True(t, strings.Contains(tested.String(), "\n"+block[1]), "not in this package to the letter: %s", name)
	}
	for _, mount := range []string{"onServeMux", "onChi", "onGorillaMux", "onEcho", "onGin", "onFiber"} {
		assert.Contains(t, string(text), "func "+mount+"(", "each router has its section")
	}
}
