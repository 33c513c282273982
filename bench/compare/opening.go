package compare

import (
	"context"
	"fmt"

	"github.com/ecgrid-contrib/ecgridsession/bench/report"
	"github.com/ecgrid-contrib/ecgridsession/bench/subject"
)

// openingCase is one kind of token in one kind of request.
type openingCase struct {
	kind   subject.Kind
	others bool
}

func (c openingCase) String() string {
	if c.others {
		return fmt.Sprintf("%s tokens, %d cookies in the request", c.kind, subject.Others+1)
	}
	return fmt.Sprintf("%s tokens, 1 cookie in the request", c.kind)
}

// sizes of tokens. No JWT is as short as the first: see Token.Size.
var sizes = []int{64, 700, 1500, 2048}

// Opening measures what a session costs each request: from the request to the
// token, read in the handler.
func Opening(ctx context.Context, o Options) (report.Part, error) {
	var part report.Part
	for _, c := range []openingCase{
		{subject.JWT, true}, {subject.JWT, false}, {subject.Opaque, true}, {subject.Opaque, false},
	} {
		bySize := report.Table{
			Title: "Opening a session, " + c.String(),
			Note:  "Time, and how many times that of ours.",
			Head:  []string{""},
		}
		for _, size := range sizes {
			token := subject.Token{Kind: c.kind, Size: size}
			subjects, err := subject.Opening(subject.Case{Token: token, Others: c.others, Dir: o.Dir})
			if err != nil {
				return report.Part{}, err
			}
			g, err := measure(ctx, o, subjects)
			if err != nil {
				return report.Part{}, err
			}
			if c.others && c.kind == subject.JWT {
				if err := addOpeningTargets(&part, g, size); err != nil {
					return report.Part{}, err
				}
			}
			bySize.Head = append(bySize.Head, fmt.Sprintf("%d bytes", subjects[0].Token))
			for i, s := range subjects {
				if len(bySize.Rows) <= i {
					bySize.Rows = append(bySize.Rows, []string{s.Name})
				}
				bySize.Rows[i] = append(bySize.Rows[i], fmt.Sprintf("%s, ×\u00a0%s",
					report.Time(g.series.Time(i).Median), ratios(g.ratio(s.Name, subject.Ours))))
			}
		}
		part.Tables = append(part.Tables, bySize)
	}
	return part, nil
}

// addOpeningTargets adds what the targets ask for of JWTs of that size.
func addOpeningTargets(part *report.Part, g *group, size int) error {
	to := func(name string) string { return fmt.Sprintf("%s, %d-byte JWT", name, size) }
	switch size {
	case 700:
		if err := g.count(); err != nil {
			return err
		}
		part.Targets = append(part.Targets,
			atLeast(to("Beside gorilla as its README shows it"), 14, "ours", g.ratio(subject.Gorilla, subject.Ours)),
			atLeast(to("Beside gorilla with a compact serializer"), 4, "ours", g.ratio(subject.Compact, subject.Ours)),
			atMost(to("Beside the limit"), 2.5, "the limit", g.ratio(subject.Ours, subject.Limit)),
			counted("Opening a session, allocations", 5, g.garbage[g.at(subject.Ours)].Allocations, number),
			counted("Opening a session, bytes", 1500, g.garbage[g.at(subject.Ours)].Bytes, report.Bytes),
		)
		detailed := g.table(fmt.Sprintf("Opening a session, %d-byte JWT, %d cookies in the request", size, subject.Others+1),
			"From the request to the token, read in the handler.", subject.Ours, "ours")
		detailed.Head = append(detailed.Head, "cookie")
		for i, s := range g.subjects {
			detailed.Rows[i] = append(detailed.Rows[i], report.Bytes(float64(s.Cookie)))
			if s.Name != subject.GetSave && s.Name != subject.Crypted {
				part.Bars = append(part.Bars, bar(s, g.series.Time(i).Median))
			}
		}
		part.Tables = append(part.Tables, detailed)
	case 2048:
		part.Targets = append(part.Targets,
			atLeast(to("Beside gorilla as its README shows it"), 10, "ours", g.ratio(subject.Gorilla, subject.Ours)),
			atLeast(to("Beside gorilla with a compact serializer"), 3.5, "ours", g.ratio(subject.Compact, subject.Ours)),
		)
	}
	return nil
}

func bar(s subject.Subject, nanoseconds float64) report.Bar {
	b := report.Bar{Name: s.Name, Nanoseconds: nanoseconds, Cookie: float64(s.Cookie)}
	switch s.Name {
	case subject.Ours:
		b.Emphasis = report.Ours
	case subject.Limit:
		b.Emphasis = report.Bound
	}
	return b
}
