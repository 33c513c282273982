package compare

import (
	"context"
	"fmt"

	"github.com/ecgrid-contrib/ecgridsession/bench/report"
	"github.com/ecgrid-contrib/ecgridsession/bench/rounds"
	"github.com/ecgrid-contrib/ecgridsession/bench/subject"
)

// scaled is some subjects that were measured on one core and on all of them.
type scaled struct {
	subjects []subject.Subject
	series   rounds.Series
	cores    int
}

func onCores(ctx context.Context, o Options, subjects []subject.Subject) (scaled, error) {
	var runs []rounds.Run
	for _, cores := range []int{1, o.Cores} {
		for _, s := range subjects {
			runs = append(runs, rounds.Run{Subject: s, Cores: cores})
		}
	}
	series, err := rounds.Measure(ctx, o.Rounds, runs...)
	return scaled{subjects: subjects, series: series, cores: o.Cores}, err
}

// one and all are the places of a subject in the series.
func (s scaled) one(name string) int {
	return (&group{subjects: s.subjects}).at(name)
}
func (s scaled) all(name string) int { return len(s.subjects) + s.one(name) }

// Parallel measures what several cores get done, ours beside the limit.
func Parallel(ctx context.Context, o Options) (report.Part, error) {
	subjects, err := subject.Opening(subject.Case{Token: usual, Others: true, Dir: o.Dir})
	if err != nil {
		return report.Part{}, err
	}
	table := report.Table{
		Title: "Opening a session, in parallel",
		Note: fmt.Sprintf("700-byte JWT, 7 cookies in the request. The time is that of one request as each core sees it; with %d cores at it the app "+
			"serves that many times more.", o.Cores),
		Head: []string{"", "1 core", fmt.Sprintf("%d cores", o.Cores), "requests per second, times those of 1 core"},
	}
	on, err := onCores(ctx, o, subjects)
	if err != nil {
		return report.Part{}, err
	}
	for _, s := range subjects {
		scaling := on.series.Ratio(on.one(s.Name), on.all(s.Name)).Times(float64(o.Cores))
		table.Rows = append(table.Rows, []string{
			s.Name, times(on.series.Time(on.one(s.Name))), times(on.series.Time(on.all(s.Name))), ratios(scaling),
		})
	}
	got := on.series.RatioOfRatios(on.one(subject.Ours), on.all(subject.Ours), on.one(subject.Limit), on.all(subject.Limit))
	return report.Part{Tables: []report.Table{table}, Targets: []report.Target{{
		Name: "Throughput over the cores", Asked: "as the limit's, within 10 %",
		Measured: "times the limit's: " + ratios(got), Reached: got.Median >= 0.9,
	}}}, nil
}

// Ledger measures lookups in a MemoryLedger that is full.
func Ledger(ctx context.Context, o Options) (report.Part, error) {
	subjects, err := subject.Ledger(o.Entries)
	if err != nil {
		return report.Part{}, err
	}
	on, err := onCores(ctx, o, subjects)
	if err != nil {
		return report.Part{}, err
	}
	table := report.Table{
		Title: fmt.Sprintf("MemoryLedger with %s entries", report.Count(float64(o.Entries))),
		Note: "The time of one call as each core sees it. A request makes one, for two keys, and nearly always finds neither. The keys are " +
			"asked for in an order that no cache foresees.",
		Head: []string{"", "1 core", fmt.Sprintf("%d cores", o.Cores), "at once, per second"},
	}
	for _, s := range subjects {
		all := on.series.Time(on.all(s.Name))
		table.Rows = append(table.Rows, []string{
			s.Name, times(on.series.Time(on.one(s.Name))), times(all), fmt.Sprintf("%.1f million", float64(o.Cores)*1e3/all.Median),
		})
	}
	one, both := on.series.Time(on.all(subject.LoadOne)), on.series.Time(on.all(subject.LoadEnded))
	return report.Part{Tables: []report.Table{table}, Targets: []report.Target{{
		Name: "Lookup in the ledger with 2 cores at it", Asked: "at most 300 ns",
		Measured: fmt.Sprintf("%s on each core; both keys of a request %s", times(one), times(both)),
		Reached:  one.Median <= 300,
	}}}, nil
}
