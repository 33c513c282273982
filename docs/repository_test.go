package docs

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// workflows are the texts of .github/workflows, by their paths.
func workflows(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob(".github/workflows/*")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	found := make(map[string]string)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		found[path] = string(text)
	}
	return found
}

// A tag can be moved to other code, a commit cannot.
func TestEachActionOfTheWorkflowsIsPinnedToACommit(t *testing.T) {
	t.Chdir("..") // here and not in TestMain: go test would not notice changes of the files
	pinned := regexp.MustCompile(`^[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)
	for path, text := range workflows(t) {
		uses := regexp.MustCompile(`uses: *(.*)`).FindAllStringSubmatch(text, -1)
		assert.NotEmpty(t, uses, path)
		for _, action := range uses {
			assert.Regexp(t, pinned, action[1], path)
		}
	}
}

func TestTheWorkflowsMayReadTheSourceAndNothingElse(t *testing.T) {
	t.Chdir("..") // here and not in TestMain: go test would not notice changes of the files
	for path, text := range workflows(t) {
		assert.Contains(t, text, "\npermissions:\n  contents: read\n\n", path)
		assert.Equal(t, 1, strings.Count(text, "permissions:"), path)
		assert.NotContains(t, text, "secrets.", path)
		assert.NotContains(t, text, "pull_request_target", path)
		assert.Equal(t, strings.Count(text, "actions/checkout@"), strings.Count(text, "persist-credentials: false"), path)
	}
}

func TestTheLinksOfTheOtherDocumentsLeadSomewhere(t *testing.T) {
	t.Chdir("..") // here and not in TestMain: go test would not notice changes of the files
	paths, err := filepath.Glob("*.md")
	require.NoError(t, err)
	inDocs, err := filepath.Glob("docs/*.md")
	require.NoError(t, err)
	for _, path := range append(paths, inDocs...) {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, link := range regexp.MustCompile(`\]\(([^)#]+)[^)]*\)`).FindAllStringSubmatch(string(text), -1) {
			if !strings.HasPrefix(link[1], "https://") {
				assert.FileExists(t, filepath.Join(filepath.Dir(path), link[1]), path)
			}
		}
	}
}

func TestTheLedgersTestInCONTRIBUTINGCompiles(t *testing.T) {
	t.Chdir("..") // here and not in TestMain: go test would not notice changes of the files
	text, err := os.ReadFile("CONTRIBUTING.md")
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	require.Len(t, blocks, 1)
	source := filepath.Join(t.TempDir(), "ledger_test.go")
	require.NoError(t, os.WriteFile(source, []byte(blocks[0][1]), 0o600))
	root, err := os.Getwd()
	require.NoError(t, err)
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root, "myledger", "ledger_test.go"): source}})
	require.NoError(t, err)
	overlaid := filepath.Join(t.TempDir(), "overlay.json")
	require.NoError(t, os.WriteFile(overlaid, overlay, 0o600))
	output, err := exec.Command("go", "test", "-vet=off", "-c", "-o", os.DevNull, "-overlay="+overlaid, "./myledger").CombinedOutput()
	assert.NoError(t, err, "%s", output)
	formatted, err := exec.Command("gofmt", "-l", source).CombinedOutput()
	require.NoError(t, err)
	assert.Empty(t, string(formatted), "the test is not formatted")
}
