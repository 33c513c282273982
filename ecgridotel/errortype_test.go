package ecgridotel_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridotel"
)

func TestAnErrorIsOneOfFewWordsAndNeverItsText(t *testing.T) {
	upstream := func(status int, code string) error {
		return fmt.Errorf("ecgridsession: logout: %w: words", &ecgridsession.UpstreamError{StatusCode: status, Code: code})
	}
	ledger := fmt.Errorf("%w: %w", ecgridsession.ErrLedgerUnavailable, context.DeadlineExceeded)
	for name, c := range map[string]struct {
		err          error
		event, timed string // error.type of the counter and of the duration
	}{
		"none":                          {nil, "", ""},
		"a documented code":             {upstream(429, "RateLimitExceeded"), "RateLimitExceeded", "RateLimitExceeded"},
		"a status":                      {upstream(502, ""), "502", "502"},
		"a status that HTTP knows not":  {upstream(777, ""), "_OTHER", "_OTHER"},
		"a deadline":                    {fmt.Errorf("%w: %w", upstream(0, ""), context.DeadlineExceeded), "timeout", "timeout"},
		"a cancelled call":              {fmt.Errorf("%w: %w", upstream(0, ""), context.Canceled), "canceled", "canceled"},
		"no answer":                     {upstream(0, ""), "no_answer", "no_answer"},
		"a deadline before the call":    {fmt.Errorf("too many calls: %w", context.DeadlineExceeded), "timeout", "timeout"},
		"the ledger":                    {ledger, "ledger", ""},
		"the ledger, and ECGrid":        {errors.Join(ledger, upstream(503, "")), "ledger", "503"},
		"anything else, whatever it is": {errors.New("user 4711 at 10.0.0.1"), "_OTHER", "_OTHER"},
	} {
		t.Run(name, func(t *testing.T) {
			reader := metric.NewManualReader()
			record, err := ecgridotel.OnEvent(ecgridotel.Config{MeterProvider: metric.NewMeterProvider(metric.WithReader(reader))})
			require.NoError(t, err)
			record(t.Context(), ecgridsession.Event{Kind: ecgridsession.LoggedOut, Duration: 1, Err: c.err})
			var all metricdata.ResourceMetrics
			require.NoError(t, reader.Collect(t.Context(), &all))
			require.Len(t, all.ScopeMetrics[0].Metrics, 2)
			for _, m := range all.ScopeMetrics[0].Metrics {
				switch data := m.Data.(type) {
				case metricdata.Sum[int64]:
					got, _ := data.DataPoints[0].Attributes.Value("error.type")
					assert.Equal(t, c.event, got.AsString())
				case metricdata.Histogram[float64]:
					got, _ := data.DataPoints[0].Attributes.Value("error.type")
					assert.Equal(t, c.timed, got.AsString())
				}
			}
		})
	}
}
