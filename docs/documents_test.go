// Package docs holds the documents to the code.
package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// document is a Markdown file of the repository.
type document struct {
	path   string // from the root, with slashes
	lines  []string
	fences []fence
}

// fence is one fenced code block.
type fence struct {
	line     int    // of the opening fence, from 1
	language string // the first word after it, in lower case
	text     string
}

// documents are all Markdown files that a reader is meant to read.
func documents(t *testing.T) []document {
	t.Helper()
	var found []document
	for _, path := range repositoryFiles(t, ".md") {
		found = append(found, readDocument(t, path))
	}
	require.NotEmpty(t, found)
	return found
}

// repositoryFiles are the paths, from the root, of the files that end in suffix,
// in every module.
func repositoryFiles(t *testing.T, suffix string) []string {
	t.Helper()
	var paths []string
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() && path != "." && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules") {
			return fs.SkipDir
		}
		if !entry.IsDir() && strings.HasSuffix(name, suffix) {
			paths = append(paths, filepath.ToSlash(path))
		}
		return nil
	})
	require.NoError(t, err)
	slices.Sort(paths)
	return paths
}

func readDocument(t *testing.T, path string) document {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	d := document{path: path, lines: strings.Split(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n")}
	var body []string
	open, indent := "", ""
	for i, line := range d.lines {
		trimmed := strings.TrimSpace(line)
		switch {
		case open == "" && (strings.HasPrefix(trimmed, "```") || strings.HasPrefix(trimmed, "~~~")):
			rest := strings.TrimLeft(trimmed, trimmed[:1])
			open = trimmed[:len(trimmed)-len(rest)]
			indent = line[:strings.Index(line, open)]
			language, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(rest)), " ")
			d.fences = append(d.fences, fence{line: i + 1, language: language})
			body = nil
		case open != "" && strings.HasPrefix(trimmed, open) && strings.Trim(trimmed, open[:1]) == "":
			last := &d.fences[len(d.fences)-1]
			last.text = strings.Join(body, "\n") + "\n"
			open = ""
		case open != "":
			// A block within a list is set in by as much as its fence.
			body = append(body, strings.TrimPrefix(line, indent))
		}
	}
	require.Empty(t, open, "%s: a code block is not closed", path)
	return d
}

// prose is the document without its code blocks; the lines keep their places.
func (d document) prose() []string {
	lines := slices.Clone(d.lines)
	for _, block := range d.fences {
		for i := block.line - 1; i < block.line+1+strings.Count(block.text, "\n"); i++ {
			lines[i] = ""
		}
	}
	return lines
}

// exists tells whether a path, from the root and with slashes, leads to a file
// or a folder of the repository.
func exists(path string) bool {
	_, err := os.Stat(filepath.FromSlash(path))
	return err == nil
}
