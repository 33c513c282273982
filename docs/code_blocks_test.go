package docs

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/doc/comment"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// blockRule is what the authors of documents have to know.
const blockRule = `A block of Go in a document is either
  - a whole file, with its package clause, which is then compiled here; or
  - a piece of a file, which then has to stand in a Go file of this repository,
    line by line and in one piece (indentation does not count). Copy it from a
    test or an example, and change both together.
A block of diff belongs to two files of the repository that its first two lines
name ("--- path" and "+++ path"); the blocks of a pair, one after the other, turn
the one into the other. Any other block names its language: sh, text, nginx, ...`

func TestEveryBlockOfGoInADocumentCompiles(t *testing.T) {
	t.Chdir("..") // here and not in TestMain: go test would not notice changes of the files
	sources := compiledSources(t)
	blocks := 0
	for _, d := range documents(t) {
		for _, block := range d.fences {
			where := fmt.Sprintf("%s:%d", d.path, block.line)
			if !assert.NotEmpty(t, block.language, "%s: the block names no language.\n%s", where, blockRule) || block.language != "go" {
				continue
			}
			blocks++
			if standsIn(sources, block.text) {
				continue
			}
			if !wholeFile(block.text) {
				assert.Fail(t, "a piece of Go that is compiled nowhere", "%s:\n%s\n%s", where, block.text, blockRule)
				continue
			}
			compiles(t, where, block.text)
		}
	}
	assert.NotZero(t, blocks)
}

// The program in the package's documentation is the inside of a main function.
func TestTheProgramOfThePackageDocumentationCompilesAndHasTwentyLines(t *testing.T) {
	t.Chdir("..") // here and not in TestMain: go test would not notice changes of the files
	file, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments)
	require.NoError(t, err)
	var program string
	for _, part := range new(comment.Parser).Parse(file.Doc.Text()).Content {
		if code, ok := part.(*comment.Code); ok {
			program = code.Text
			break
		}
	}
	assert.Equal(t, 20, strings.Count(program, "\n"))
	source := "package main\n\nimport (\n\t\"encoding/base64\"\n\t\"io\"\n\t\"log\"\n\t\"net/http\"\n\t\"os\"\n\n" +
		"\t\"github.com/ecgrid-contrib/ecgridsession\"\n)\n\nfunc main() {\n\t" +
		strings.ReplaceAll(strings.TrimSuffix(program, "\n"), "\n", "\n\t") + "\n}\n"
	compiles(t, "doc.go", source)
}

// wholeFile tells whether Go source begins with a package clause.
func wholeFile(source string) bool {
	_, err := parser.ParseFile(token.NewFileSet(), "", source, parser.PackageClauseOnly)
	return err == nil
}

// compiles has the go command check a file, and gofmt's rules with it. The file
// is laid over the checkout as one more of its packages, which takes no module
// of its own and no network; what it imports may come from any module of go.work.
func compiles(t *testing.T, where, source string) {
	t.Helper()
	formatted, err := format.Source([]byte(source))
	if !assert.NoError(t, err, where) {
		return
	}
	assert.Equal(t, string(formatted), source, "%s: not formatted as gofmt does", where)
	parsed, err := parser.ParseFile(token.NewFileSet(), "", source, parser.ImportsOnly)
	require.NoError(t, err)
	name, command := "main.go", []string{"build", "-buildvcs=false"}
	if isTest(parsed) {
		name, command = "main_test.go", []string{"test", "-c", "-vet=off"} // which would look for the folder
	}
	root, err := os.Getwd()
	require.NoError(t, err)
	dir := t.TempDir()
	file, overlaid := filepath.Join(dir, name), filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(file, []byte(source), 0o600))
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root, "fromdocument", name): file}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(overlaid, overlay, 0o600))
	command = append(command, "-o", os.DevNull, "-overlay="+overlaid, "./fromdocument")
	output, err := exec.Command("go", command...).CombinedOutput()
	assert.NoError(t, err, "%s does not compile:\n%s\n%s", where, output, blockRule)
}

func isTest(file *ast.File) bool {
	for _, spec := range file.Imports {
		if spec.Path.Value == `"testing"` {
			return true
		}
	}
	return strings.HasSuffix(file.Name.Name, "_test")
}

// compiledSources are the Go files of every module, made ready for standsIn.
func compiledSources(t *testing.T) []string {
	t.Helper()
	ignored := regexp.MustCompile(`(?m)^//go:build ignore`)
	var sources []string
	for _, path := range repositoryFiles(t, ".go") {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		if !ignored.Match(text) {
			sources = append(sources, flattened(string(text)))
		}
	}
	require.NotEmpty(t, sources)
	return sources
}

// standsIn tells whether the lines of a piece of Go follow each other in one of
// the sources.
func standsIn(sources []string, piece string) bool {
	piece = flattened(piece)
	if strings.TrimSpace(piece) == "" {
		return false
	}
	for _, source := range sources {
		if strings.Contains(source, piece) {
			return true
		}
	}
	return false
}

// flattened is text without indentation, each line between two newlines.
func flattened(text string) string {
	lines := strings.Split(strings.Trim(text, "\n"), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
	}
	return "\n" + strings.Join(lines, "\n") + "\n"
}
