package compare

import (
	"context"

	"github.com/ecgrid-contrib/ecgridsession/bench/report"
	"github.com/ecgrid-contrib/ecgridsession/bench/subject"
)

// Nothing measures what a request without a session pays for the middleware.
func Nothing(ctx context.Context, o Options) (report.Part, error) {
	subjects, err := subject.Nothing()
	if err != nil {
		return report.Part{}, err
	}
	g, err := measure(ctx, o, subjects)
	if err != nil {
		return report.Part{}, err
	}
	if err := g.count(); err != nil {
		return report.Part{}, err
	}
	part := report.Part{Tables: []report.Table{
		g.table("A request without a session", "A handler that does nothing.", subject.Bare, "none"),
	}}
	bare := g.at(subject.Bare)
	for _, c := range []struct{ subject, name string }{
		{subject.NoCookies, "Anonymous request without cookies"}, {subject.Foreign, "Anonymous request with 6 cookies of others"},
	} {
		more := g.series.Difference(g.at(c.subject), bare)
		part.Targets = append(part.Targets,
			report.Target{
				Name: c.name, Asked: "at most 250 ns over no middleware", Measured: times(more), Reached: more.Median <= 250,
			},
			counted(c.name+", allocations", 1, g.garbage[g.at(c.subject)].Allocations, number),
		)
	}
	return part, nil
}

// Outbound measures what attaching the token to a call takes.
func Outbound(ctx context.Context, o Options) (report.Part, error) {
	subjects, err := subject.Outbound(usual)
	if err != nil {
		return report.Part{}, err
	}
	g, err := measure(ctx, o, subjects)
	if err != nil {
		return report.Part{}, err
	}
	if err := g.count(); err != nil {
		return report.Part{}, err
	}
	return report.Part{
		Tables: []report.Table{g.table("Attaching the token to a call",
			"700-byte JWT, over a base transport that answers at once. Ours also looks whether the call goes to ECGrid, whether the caller has "+
				"set a credential of its own, and whether the answer refuses the token; the others do not.", subject.OurTransport, "ours")},
		Targets: []report.Target{
			atMost("Transport beside the one of oauth2", 0.5, "it", g.ratio(subject.OurTransport, subject.OAuth2Transport)),
			counted("Transport, allocations", 4, g.garbage[g.at(subject.OurTransport)].Allocations, number),
		},
	}, nil
}

// Sealing measures what setting the cookie takes.
func Sealing(ctx context.Context, o Options) (report.Part, error) {
	subjects, err := subject.Sealing(usual)
	if err != nil {
		return report.Part{}, err
	}
	g, err := measure(ctx, o, subjects)
	if err != nil {
		return report.Part{}, err
	}
	if err := g.count(); err != nil {
		return report.Part{}, err
	}
	return report.Part{Tables: []report.Table{g.table("Setting the cookie",
		"700-byte JWT. Start begins a session: a new id, a look into the ledger, the cookie. The second line opens a session that came by an "+
			"older key, and sets its cookie anew. The others are a sign-in by hand: Get, the token, Save.", subject.OurStart, "Start")}}, nil
}
