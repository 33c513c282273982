package report_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/bench/report"
)

func TestTimesHaveThreeDigitsThatCount(t *testing.T) {
	for want, ns := range map[string]float64{
		"7.00 ns": 7, "13.5 ns": 13.46, "999 ns": 999.4, "1.00 µs": 999.6, "2.83 µs": 2828, "55.4 µs": 55_432, "999 µs": 999_400,
		"1.00 ms": 999_600, "120 ms": 120e6, "-36.0 ns": -36,
	} {
		assert.Equal(t, want, report.Time(ns))
	}
}

func TestCountsHaveCommas(t *testing.T) {
	for want, n := range map[string]float64{"0": 0, "999": 999, "1,000": 1000, "13,880": 13880, "1,000,000": 1e6} {
		assert.Equal(t, want, report.Count(n))
	}
	assert.Equal(t, "1,424 B", report.Bytes(1424))
}

func TestASlugIsTheWords(t *testing.T) {
	assert.Equal(t, "beside-gorilla-700-byte-jwt", report.Slug("Beside gorilla, 700-byte JWT"))
}

// document has a target of each sort and one table.
var document = report.Document{
	Facts:   [][2]string{{"On", "2026-01-02"}},
	Remarks: "\nRead it well.\n",
	Picture: "p.svg",
	Parts: []report.Part{{
		Targets: []report.Target{
			{Name: "Fast", Asked: "at most 2", Measured: "1", Reached: true, Why: "not shown"},
			{Name: "Small, too", Asked: "at most 2", Measured: "3", Why: "It is large.\n"},
			{Name: "Unexplained", Asked: "at most 2", Measured: "4"},
		},
		Tables: []report.Table{{Title: "Times", Note: "A note.", Head: []string{"", "time"}, Rows: [][]string{{"a|b", "1 ns"}}}},
	}},
}

func TestTheDocumentHasTargetsThenReasonsThenTables(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, document.WriteMarkdown(&out))
	assert.Equal(t, `# Benchmarks

- On: 2026-01-02

![What opening a session takes](p.svg)

Read it well.

## Targets

| what | asked | measured | reached |
|---|---|---|---|
| Fast | at most 2 | 1 | reached |
| Small, too | at most 2 | 3 | **no**, [why](#small-too) |
| Unexplained | at most 2 | 4 | **no**, [why](#unexplained) |

### Small, too

It is large.

### Unexplained

The profile that says why is still to be made.

## Times

A note.

|  | time |
|---|---|
| a\|b | 1 ns |
`, out.String())
}

// drawing is the picture as far as it is looked at here.
type drawing struct {
	Texts []struct {
		Class string `xml:"class,attr"`
		Text  string `xml:",chardata"`
	} `xml:"text"`
	Rects []struct {
		Class string `xml:"class,attr"`
		Width string `xml:"width,attr"`
	} `xml:"rect"`
}

func draw(t *testing.T, bars []report.Bar) (d drawing) {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, report.WritePicture(&out, "A < B", "note & more", bars))
	require.NoError(t, xml.Unmarshal(out.Bytes(), &d))
	assert.Contains(t, out.String(), "prefers-color-scheme: dark")
	return d
}

func TestBarsAreAsLongAsTheirTimesSay(t *testing.T) {
	d := draw(t, []report.Bar{
		{Name: "slow", Nanoseconds: 4000, Cookie: 1000},
		{Name: "ours & fast", Nanoseconds: 1000, Cookie: 500, Emphasis: report.Ours},
		{Name: "limit", Nanoseconds: 500, Cookie: 500, Emphasis: report.Bound},
	})
	var names, classes []string
	for _, text := range d.Texts {
		if text.Class == "name" || text.Class == "name strong" {
			names = append(names, text.Text)
		}
	}
	assert.Equal(t, []string{"limit", "ours & fast", "slow"}, names, "the fastest is on top")

	var widths []float64
	for _, rect := range d.Rects[1:] { // after the page
		width, err := strconv.ParseFloat(rect.Width, 64)
		require.NoError(t, err)
		widths, classes = append(widths, width), append(classes, rect.Class)
	}
	require.Len(t, widths, 6)
	assert.Equal(t, []string{"bound", "bound", "ours", "ours", "other", "other"}, classes)
	assert.InDelta(t, 0.25, widths[2]/widths[4], 0.01)
	assert.InDelta(t, 0.125, widths[0]/widths[4], 0.01)
	assert.InDelta(t, 0.5, widths[3]/widths[5], 0.01)
}

var errFull = errors.New("full")

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errFull }

func TestWhatCannotBeWrittenIsAnError(t *testing.T) {
	assert.ErrorIs(t, document.WriteMarkdown(failing{}), errFull)
	assert.ErrorIs(t, report.WritePicture(failing{}, "", "", nil), errFull)
}
