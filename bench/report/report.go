// Package report writes down what was measured: a document of tables, with the
// targets first, and a picture.
package report

import (
	"fmt"
	"strings"
)

// Table is a table of a document. Head and each of Rows are equally long.
type Table struct {
	Title string
	Note  string // a paragraph above the table, in Markdown
	Head  []string
	Rows  [][]string
}

// Target is a number that was to be reached, beside what was measured.
type Target struct {
	Name, Asked, Measured string
	Reached               bool
	Why                   string // where it is not reached: why, in Markdown
}

// Part is what one measurement adds to a document.
type Part struct {
	Tables  []Table
	Targets []Target
	Bars    []Bar // for the picture
}

// Slug is a name as a file would be called after it.
func Slug(name string) string {
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
	return strings.Join(words, "-")
}

// Time writes nanoseconds with three digits that count.
func Time(nanoseconds float64) string {
	switch {
	case nanoseconds < 999.5:
		return digits(nanoseconds) + " ns"
	case nanoseconds < 999.5e3:
		return digits(nanoseconds/1e3) + " µs"
	default:
		return digits(nanoseconds/1e6) + " ms"
	}
}

// Ratio writes a ratio with three digits that count, at most two of them after
// the point.
func Ratio(ratio float64) string { return digits(ratio) }

func digits(x float64) string {
	switch abs := max(x, -x); {
	case abs < 9.995:
		return fmt.Sprintf("%.2f", x)
	case abs < 99.95:
		return fmt.Sprintf("%.1f", x)
	default:
		return fmt.Sprintf("%.0f", x)
	}
}

// Bytes writes a count of bytes.
func Bytes(n float64) string { return Count(n) + " B" }

// Count writes a whole number.
func Count(n float64) string {
	s := fmt.Sprintf("%.0f", n)
	for at := len(s) - 3; at > 0; at -= 3 {
		s = s[:at] + "," + s[at:]
	}
	return s
}
