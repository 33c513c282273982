package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/bench/load"
	"github.com/ecgrid-contrib/ecgridsession/bench/report"
	"github.com/ecgrid-contrib/ecgridsession/bench/why"
)

// short are the flags of a run that is over soon and says nothing.
func short(docs string) []string {
	return []string{"-rounds=1", "-slice=1us", "-entries=100", "-loads=1", "-signouts=1", "-loadslice=5ms", "-date=2026-01-02", "-docs=" + docs}
}

func TestMain(m *testing.M) {
	load.Child()
	os.Exit(m.Run())
}

func TestOneCommandWritesTheDocumentAndThePicture(t *testing.T) {
	docs := t.TempDir()
	var out, log bytes.Buffer
	require.NoError(t, run(t.Context(), short(docs), &out, &log))

	document, err := os.ReadFile(filepath.Join(docs, "benchmarks.md"))
	require.NoError(t, err)
	assert.Equal(t, out.String(), string(document), "the command prints what it writes")
	for _, part := range []string{
		"2026-01-02", "`go run ./bench`: 1 rounds", "github.com/gorilla/sessions v", "(benchmarks.svg)", "## Targets\n",
		"## Opening a session, 700-byte JWT", "## Several keys", "## MemoryLedger with 100 entries", "## The cookie\n", "## Pages over loopback\n",
	} {
		assert.Contains(t, string(document), part)
	}

	picture, err := os.Open(filepath.Join(docs, "benchmarks.svg"))
	require.NoError(t, err)
	defer picture.Close()
	for tokens := xml.NewDecoder(picture); ; {
		if _, err = tokens.Token(); err != nil {
			break
		}
	}
	assert.ErrorIs(t, err, io.EOF, "the picture is XML")

	t.Run("each reason in why is of a target", func(t *testing.T) {
		table, _, _ := strings.Cut(strings.SplitN(string(document), "## Targets\n", 2)[1], "\n#")
		slugs := map[string]bool{"README": true}
		for _, row := range regexp.MustCompile(`(?m)^\| ([^|]+) \|`).FindAllStringSubmatch(table, -1) {
			slugs[report.Slug(row[1])] = true
		}
		reasons, err := fs.Glob(why.Files, "*.md")
		require.NoError(t, err)
		for _, name := range reasons {
			assert.Contains(t, slugs, strings.TrimSuffix(name, ".md"))
		}
	})
}

func TestAnInterruptedRunWritesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	docs := t.TempDir()
	assert.ErrorIs(t, run(ctx, short(docs), io.Discard, io.Discard), context.Canceled)
	left, err := os.ReadDir(docs)
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestOneComparisonIsPrintedAndNotWritten(t *testing.T) {
	docs := t.TempDir()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), append(short(docs), "-only=sizes"), &out, io.Discard))
	assert.Contains(t, out.String(), "## The cookie\n")
	assert.NotContains(t, out.String(), "## Several keys")
	left, err := os.ReadDir(docs)
	require.NoError(t, err)
	assert.Empty(t, left)
	assert.ErrorContains(t, run(t.Context(), append(short(docs), "-only=nothing"), io.Discard, io.Discard), `no comparison "nothing"`)
}

func TestADocumentThatCannotBeWrittenIsAnError(t *testing.T) {
	err := write(report.Document{}, filepath.Join(t.TempDir(), "missing"), io.Discard)
	assert.ErrorIs(t, err, fs.ErrNotExist)
	assert.ErrorIs(t, write(report.Document{}, t.TempDir(), failing{}), errFull)
}

var errFull = errors.New("full")

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errFull }
