package compare

import (
	"context"

	"github.com/ecgrid-contrib/ecgridsession/bench/load"
	"github.com/ecgrid-contrib/ecgridsession/bench/report"
)

// EndToEnd loads whole apps over loopback, and times their sign-outs. The
// program must have called [load.Child] before anything else.
func EndToEnd(ctx context.Context, o Options) (report.Part, error) {
	result, err := load.Measure(ctx, o.Load)
	if err != nil {
		return report.Part{}, err
	}
	return report.Part{Tables: result.Tables(), Targets: result.Targets()}, nil
}
