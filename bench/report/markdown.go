package report

import (
	"fmt"
	"io"
	"strings"
)

// Document is what was measured in one run.
type Document struct {
	Facts   [][2]string // of the run: what, and which
	Remarks string      // how to read it, in Markdown
	Picture string      // the name of the picture's file beside the document
	Parts   []Part
}

// WriteMarkdown writes the document: the targets, then the tables.
func (d Document) WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	b.WriteString("# Benchmarks\n\n")
	for _, fact := range d.Facts {
		fmt.Fprintf(&b, "- %s: %s\n", fact[0], fact[1])
	}
	fmt.Fprintf(&b, "\n![What opening a session takes](%s)\n\n%s\n", d.Picture, strings.TrimSpace(d.Remarks))

	b.WriteString("\n## Targets\n\n")
	var rows [][]string
	var missed []Target
	for _, part := range d.Parts {
		for _, target := range part.Targets {
			verdict := "reached"
			if !target.Reached {
				verdict = fmt.Sprintf("**no**, [why](#%s)", Slug(target.Name))
				missed = append(missed, target)
			}
			rows = append(rows, []string{target.Name, target.Asked, target.Measured, verdict})
		}
	}
	writeTable(&b, []string{"what", "asked", "measured", "reached"}, rows)
	for _, target := range missed {
		why := strings.TrimSpace(target.Why)
		if why == "" {
			why = "The profile that says why is still to be made."
		}
		fmt.Fprintf(&b, "\n### %s\n\n%s\n", target.Name, why)
	}
	for _, part := range d.Parts {
		for _, table := range part.Tables {
			fmt.Fprintf(&b, "\n## %s\n\n", table.Title)
			if table.Note != "" {
				fmt.Fprintf(&b, "%s\n\n", strings.TrimSpace(table.Note))
			}
			writeTable(&b, table.Head, table.Rows)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func writeTable(b *strings.Builder, head []string, rows [][]string) {
	writeRow(b, head)
	b.WriteString("|" + strings.Repeat("---|", len(head)) + "\n")
	for _, row := range rows {
		writeRow(b, row)
	}
}

func writeRow(b *strings.Builder, cells []string) {
	for _, cell := range cells {
		b.WriteString("| " + strings.ReplaceAll(cell, "|", `\|`) + " ")
	}
	b.WriteString("|\n")
}
