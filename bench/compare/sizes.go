package compare

import (
	"context"
	"fmt"

	"github.com/ecgrid-contrib/ecgridsession/bench/report"
	"github.com/ecgrid-contrib/ecgridsession/bench/subject"
)

// kinds are all kinds of tokens, beginning with those that get no longer in our
// cookie.
var kinds = []subject.Kind{subject.JWT, subject.Opaque, subject.OpaqueAny}

// Sizes measures the cookies, and how long a token may be to fit into one.
func Sizes(_ context.Context, o Options) (report.Part, error) {
	cookies := report.Table{
		Title: "The cookie",
		Note: "Bytes of name and value together, with tokens of 700 bytes, and how many times the token that is. Opaque tokens are random " +
			"base64url, or all letters that RFC 6750 has for tokens. Ours also holds when the session began, its user and the login, here of 4 " +
			"letters, each of which takes 4/3 bytes; that of the others holds the token and nothing else. scs and the FilesystemStore " +
			"have an id in the cookie.",
		Head: []string{""},
	}
	longest := report.Table{
		Title: "The longest token that fits into the cookie",
		Note: "Browsers keep 4,096 bytes of name and value. Found by trying. A longer token is kept in the ledger by ours, and is an error to the " +
			"others.",
		Head: []string{""},
	}
	var part report.Part
	for _, kind := range kinds {
		subjects, err := subject.Opening(subject.Case{Token: subject.Token{Kind: kind, Size: 700}, Dir: o.Dir})
		if err != nil {
			return report.Part{}, err
		}
		cookies.Head = append(cookies.Head, string(kind))
		longest.Head = append(longest.Head, string(kind))
		row := 0
		for i, s := range subjects {
			if len(cookies.Rows) <= i {
				cookies.Rows = append(cookies.Rows, []string{s.Name})
			}
			times := float64(s.Cookie) / float64(s.Token)
			cookies.Rows[i] = append(cookies.Rows[i], fmt.Sprintf("%s, × %.3f", report.Bytes(float64(s.Cookie)), times))
			largest, ok, err := subject.LargestInCookie(s.Name, kind)
			if err != nil {
				return report.Part{}, err
			}
			if s.Name == subject.Ours {
				part.Targets = append(part.Targets, sizeTargets(kind, times, largest)...)
			}
			if !ok {
				continue
			}
			if len(longest.Rows) <= row {
				longest.Rows = append(longest.Rows, []string{s.Name})
			}
			longest.Rows[row] = append(longest.Rows[row], report.Bytes(float64(largest)))
			row++
		}
	}
	part.Tables = []report.Table{cookies, longest}
	return part, nil
}

func sizeTargets(kind subject.Kind, times float64, largest int) []report.Target {
	asked := 1.45
	if kind == subject.JWT {
		asked = 1.1
	}
	targets := []report.Target{{
		Name: fmt.Sprintf("Cookie, 700-byte token, %s", kind), Asked: fmt.Sprintf("at most %v times the token", asked),
		Measured: fmt.Sprintf("%.3f", times), Reached: times <= asked,
	}}
	if kind == subject.JWT {
		targets = append(targets, report.Target{
			Name: "Longest JWT in the cookie", Asked: "3,900 bytes fit", Measured: report.Bytes(float64(largest)), Reached: largest >= 3900,
		})
	}
	return targets
}
