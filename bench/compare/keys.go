package compare

import (
	"context"
	"fmt"

	"github.com/ecgrid-contrib/ecgridsession/bench/report"
	"github.com/ecgrid-contrib/ecgridsession/bench/rounds"
	"github.com/ecgrid-contrib/ecgridsession/bench/subject"
)

// Keys measures what an app pays for having several keys, and what it pays for
// cookies that none of them opens.
func Keys(ctx context.Context, o Options) (report.Part, error) {
	first := subject.KeyCase{Keys: 1, Sealer: subject.Newest, Dest: subject.Image}
	cases := []subject.KeyCase{first}
	for _, n := range []int{2, 4, 8} {
		for _, by := range []subject.Sealer{subject.Newest, subject.Oldest} {
			cases = append(cases, subject.KeyCase{Keys: n, Sealer: by, Dest: subject.Image})
		}
	}
	for _, n := range []int{1, 2, 4, 8} {
		cases = append(cases, subject.KeyCase{Keys: n, Sealer: subject.Unknown, Dest: subject.Image})
	}
	page := subject.KeyCase{Keys: 8, Sealer: subject.Unknown, Dest: subject.Document}
	cases = append(cases, subject.KeyCase{Keys: 8, Sealer: subject.Oldest, Dest: subject.Document}, page)

	subjects, err := subject.Keys(usual, cases)
	if err != nil {
		return report.Part{}, err
	}
	g, err := measure(ctx, o, subjects)
	if err != nil {
		return report.Part{}, err
	}
	table := report.Table{
		Title: "Several keys, 700-byte JWT, 7 cookies in the request",
		Note: "By which of the app's keys the cookie was sealed; a cookie by an unknown one is refused. A page's answer (document) sets " +
			"the cookie anew for an older key and deletes it for an unknown one, which happens once; an image's answer does neither. " +
			"Gorilla is as its README shows it, and does neither.",
		Head: []string{"", "ours", "times ours with 1 key", "gorilla", "gorilla, times ours"},
	}
	farthest := rounds.Quartiles{Median: 1}
	for _, c := range cases {
		toFirst := g.ratio(c.OursBy(), first.OursBy())
		table.Rows = append(table.Rows, []string{
			c.String(), times(g.time(c.OursBy())), ratios(toFirst),
			times(g.time(c.GorillaBy())), ratios(g.ratio(c.GorillaBy(), c.OursBy())),
		})
		if c.Keys == 8 && c.Sealer != subject.Unknown && c.Dest == subject.Image && max(toFirst.Median, 1/toFirst.Median) > max(farthest.Median, 1/farthest.Median) {
			farthest = toFirst
		}
	}
	unknown := page
	unknown.Dest = subject.Image
	refusal := atLeast("Unknown key refused, 8 keys", 50, "ours", g.ratio(unknown.GorillaBy(), unknown.OursBy()))
	refusal.Measured += fmt.Sprintf("; with the cookie's deletion %s", ratios(g.ratio(page.GorillaBy(), page.OursBy())))
	return report.Part{
		Tables: []report.Table{table},
		Targets: []report.Target{
			{
				Name: "8 keys, whichever sealed it", Asked: "within 10 % of 1 key",
				Measured: "times one key: " + ratios(farthest), Reached: farthest.Median <= 1.1 && farthest.Median >= 0.9,
			},
			refusal,
		},
	}, nil
}
