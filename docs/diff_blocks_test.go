package docs

import (
	"fmt"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The files on both sides are compiled and run where they stand.
func TestTheDiffsOfADocumentTurnOneFileIntoTheOther(t *testing.T) {
	t.Chdir("..") // here and not in TestMain: go test would not notice changes of the files
	found := 0
	for _, d := range documents(t) {
		for _, pair := range diffsOf(t, d) {
			found++
			t.Run(fmt.Sprintf("%s to %s in %s", pair.before, pair.after, path.Base(d.path)), func(t *testing.T) {
				got, err := pair.apply(readLines(t, pair.before))
				require.NoError(t, err, blockRule)
				assert.Equal(t, strings.Join(readLines(t, pair.after), "\n"), strings.Join(got, "\n"), blockRule)
			})
		}
	}
	assert.NotZero(t, found)
}

// Without it a wrong diff in a document could pass.
func TestADiffThatDoesNotFitIsFound(t *testing.T) {
	t.Chdir("..") // here and not in TestMain: go test would not notice changes of the files
	before := []string{"a", "b", "c"}
	for name, hunk := range map[string]string{
		"other context":      "@@ -1,2 +1,2 @@\n x\n-b\n+B",
		"another line":       "@@ -1,2 +1,2 @@\n a\n-c\n+B",
		"behind the end":     "@@ -3,2 +3,1 @@\n c\n-d",
		"fewer lines":        "@@ -1,3 +1,3 @@\n a\n-b\n+B",
		"out of order":       "@@ -3,1 +3,1 @@\n-c\n+C\n@@ -1,1 +1,1 @@\n-a\n+A",
		"no hunk":            "-b\n+B",
		"neither of the two": "@@ -1,1 +1,1 @@\n*a",
	} {
		_, err := diffPair{lines: strings.Split(hunk, "\n")}.apply(before)
		assert.Error(t, err, name)
	}
	after, err := diffPair{lines: strings.Split("@@ -1,2 +1,2 @@\n a\n-b\n+B", "\n")}.apply(before)
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "B", "c"}, after)
}

// diffPair is what a document says of the way from one file to another, in as
// many blocks as it likes.
type diffPair struct {
	before, after string
	lines         []string
}

func diffsOf(t *testing.T, d document) []diffPair {
	t.Helper()
	var pairs []diffPair
	for _, block := range d.fences {
		if block.language != "diff" {
			continue
		}
		lines := strings.Split(strings.TrimSuffix(block.text, "\n"), "\n")
		if before, ok := strings.CutPrefix(lines[0], "--- "); ok {
			require.Greater(t, len(lines), 1, "%s:%d", d.path, block.line)
			after, ok := strings.CutPrefix(lines[1], "+++ ")
			require.True(t, ok, "%s:%d: no +++ line.\n%s", d.path, block.line, blockRule)
			pairs = append(pairs, diffPair{before: before, after: after})
			lines = lines[2:]
		}
		require.NotEmpty(t, pairs, "%s:%d: the diff names no files.\n%s", d.path, block.line, blockRule)
		last := &pairs[len(pairs)-1]
		last.lines = append(last.lines, lines...)
	}
	return pairs
}

var hunkHeader = regexp.MustCompile(`^@@ -(\d+)(?:,(\d+))? \+\d+(?:,(\d+))? @@`)

// apply makes the changes, and leaves nothing to luck: every line has to stand
// where the hunk says.
func (p diffPair) apply(before []string) ([]string, error) {
	var after []string
	next, old, fresh := 0, 0, 0 // the line of before to come, and what the hunk still owes
	for i, line := range p.lines {
		if header := hunkHeader.FindStringSubmatch(line); header != nil && old+fresh == 0 {
			start := number(header[1]) - 1
			if start < next || start > len(before) {
				return nil, fmt.Errorf("%q: out of order, or behind the end", line)
			}
			after = append(after, before[next:start]...)
			next, old, fresh = start, number(header[2]), number(header[3])
			continue
		}
		kind, text := " ", "" // an empty line of context may have lost its space
		if line != "" {
			kind, text = line[:1], line[1:]
		}
		if old+fresh == 0 {
			return nil, fmt.Errorf("line %d, %q, belongs to no hunk", i+1, line)
		}
		if kind != "+" {
			if next >= len(before) || before[next] != text {
				return nil, fmt.Errorf("line %d, %q, is not what stands there", i+1, line)
			}
			next++
			old--
		}
		switch kind {
		case "+":
			after = append(after, text)
			fresh--
		case " ":
			after = append(after, text)
			fresh--
		case "-":
		default:
			return nil, fmt.Errorf("line %d, %q, is neither context nor a change", i+1, line)
		}
	}
	if old+fresh != 0 {
		return nil, fmt.Errorf("the last hunk is cut short")
	}
	return append(after, before[next:]...), nil
}

// number reads a count of a hunk's header, 1 where it is left out.
func number(digits string) int {
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 1
	}
	return n
}

func readLines(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err, blockRule)
	return strings.Split(string(text), "\n")
}
