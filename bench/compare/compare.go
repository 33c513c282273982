// Package compare puts the subjects beside each other, and what comes of it
// beside the targets. Each file is one comparison.
package compare

import (
	"context"
	"fmt"

	"github.com/ecgrid-contrib/ecgridsession/bench/load"
	"github.com/ecgrid-contrib/ecgridsession/bench/report"
	"github.com/ecgrid-contrib/ecgridsession/bench/rounds"
	"github.com/ecgrid-contrib/ecgridsession/bench/subject"
)

// Options say how much is measured, and with what.
type Options struct {
	Rounds  rounds.Options
	Entries int    // of the ledger
	Dir     string // for sessions in files
	Cores   int    // for what is measured in parallel
	Load    load.Options
}

// Comparison measures something and says how it went.
type Comparison struct {
	Name string
	Run  func(context.Context, Options) (report.Part, error)
}

// All are the comparisons in the order of the document.
func All() []Comparison {
	return []Comparison{
		{"opening a session", Opening},
		{"several keys", Keys},
		{"requests without a session", Nothing},
		{"calls to ECGrid", Outbound},
		{"setting the cookie", Sealing},
		{"sizes", Sizes},
		{"parallel", Parallel},
		{"the ledger", Ledger},
		{"end to end", EndToEnd},
	}
}

// usual is the token of the targets.
var usual = subject.Token{Kind: subject.JWT, Size: 700}

// group is some subjects that were measured beside each other.
type group struct {
	subjects []subject.Subject
	series   rounds.Series
	garbage  []rounds.Garbage // where it was counted
}

func measure(ctx context.Context, o Options, subjects []subject.Subject) (*group, error) {
	runs := make([]rounds.Run, len(subjects))
	for i, s := range subjects {
		runs[i].Subject = s
	}
	series, err := rounds.Measure(ctx, o.Rounds, runs...)
	return &group{subjects: subjects, series: series}, err
}

// count counts the garbage as well, which takes longer than a short round.
func (g *group) count() error {
	g.garbage = make([]rounds.Garbage, len(g.subjects))
	for i, s := range g.subjects {
		var err error
		if g.garbage[i], err = rounds.GarbageOf(s); err != nil {
			return err
		}
	}
	return nil
}

// at is the place of the subject of that name. It panics where there is none:
// the names are constants.
func (g *group) at(name string) int {
	for i, s := range g.subjects {
		if s.Name == name {
			return i
		}
	}
	panic(fmt.Sprintf("compare: no subject %q", name))
}

func (g *group) time(name string) rounds.Quartiles { return g.series.Time(g.at(name)) }

// ratio is how much longer the one takes than the other.
func (g *group) ratio(of, to string) rounds.Quartiles { return g.series.Ratio(g.at(of), g.at(to)) }

// table has a row for each subject, beside that of the name base. The garbage
// has been counted.
func (g *group) table(title, note, base, baseName string) report.Table {
	t := report.Table{
		Title: title, Note: note,
		Head: []string{"", "time", "times " + baseName, "allocations", "bytes"},
	}
	for i, s := range g.subjects {
		t.Rows = append(t.Rows, []string{
			s.Name, times(g.series.Time(i)), ratios(g.series.Ratio(i, g.at(base))),
			fmt.Sprintf("%.0f", g.garbage[i].Allocations), report.Bytes(g.garbage[i].Bytes),
		})
	}
	return t
}

func times(q rounds.Quartiles) string {
	return fmt.Sprintf("%s (%s to %s)", report.Time(q.Median), report.Time(q.Q1), report.Time(q.Q3))
}

func ratios(q rounds.Quartiles) string {
	return fmt.Sprintf("%s (%s to %s)", report.Ratio(q.Median), report.Ratio(q.Q1), report.Ratio(q.Q3))
}

// atLeast and atMost are targets for the median of the rounds' ratios.
func atLeast(name string, asked float64, than string, got rounds.Quartiles) report.Target {
	return report.Target{
		Name: name, Asked: fmt.Sprintf("at least %v times %s", asked, than),
		Measured: ratios(got), Reached: got.Median >= asked,
	}
}

func atMost(name string, asked float64, than string, got rounds.Quartiles) report.Target {
	return report.Target{
		Name: name, Asked: fmt.Sprintf("at most %v times %s", asked, than),
		Measured: ratios(got), Reached: got.Median <= asked,
	}
}

// counted is a target for something that is counted.
func counted(name string, asked, got float64, write func(float64) string) report.Target {
	return report.Target{Name: name, Asked: "at most " + write(asked), Measured: write(got), Reached: got <= asked}
}

func number(n float64) string { return fmt.Sprintf("%.0f", n) }
