// Package why holds the reasons for targets that are not reached: for each a
// file of Markdown with the profile, named after the target as [report.Slug]
// does. A target that is reached needs none, and a file that is there does no
// harm then.
package why

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/ecgrid-contrib/ecgridsession/bench/report"
)

// Files are the reasons.
//
//go:embed *.md
var Files embed.FS

// Explain fills in the reasons, from files, of those targets that are not
// reached and do not bring one of their own.
func Explain(files fs.FS, targets []report.Target) error {
	for i, target := range targets {
		if target.Reached || target.Why != "" {
			continue
		}
		text, err := fs.ReadFile(files, report.Slug(target.Name)+".md")
		if errors.Is(err, fs.ErrNotExist) {
			continue // the document says that it is missing
		}
		if err != nil {
			return fmt.Errorf("why: %w", err)
		}
		targets[i].Why = string(text)
	}
	return nil
}
