package ecgridotel_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridotel"
)

// global is the zero Config, made before the app sets its provider. A process
// can go through that once only.
var global = sync.OnceValues(func() (func(context.Context, ecgridsession.Event), *sdkmetric.ManualReader) {
	record, err := ecgridotel.OnEvent(ecgridotel.Config{})
	if err != nil {
		panic(err)
	}
	record(context.Background(), ecgridsession.Event{Kind: ecgridsession.LedgerUnavailable}) // is lost, and does no harm
	reader := sdkmetric.NewManualReader()
	otel.SetMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)))
	return record, reader
})

func TestTheZeroConfigReportsToTheAppsProviderThoughItIsSetLater(t *testing.T) {
	record, reader := global()
	record(t.Context(), ecgridsession.Event{Kind: ecgridsession.SessionStarted})
	var all metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &all))
	require.Len(t, all.ScopeMetrics, 1)
	require.Len(t, all.ScopeMetrics[0].Metrics, 1)
	assert.Equal(t, "ecgridsession.logins", all.ScopeMetrics[0].Metrics[0].Name)
}

func TestNextGetsEachEventAsItCameInTheContextThatItCameIn(t *testing.T) {
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, "a context")
	sent := ecgridsession.Event{
		Kind: ecgridsession.LoggedOut, Session: ecgridsession.Session{Ref: "abc", Login: "somebody"}, Err: errors.New("a fault"),
	}
	var got []ecgridsession.Event
	record, err := ecgridotel.OnEvent(ecgridotel.Config{
		MeterProvider: noop.NewMeterProvider(),
		Next: func(ctx context.Context, e ecgridsession.Event) {
			assert.Equal(t, "a context", ctx.Value(key{}))
			got = append(got, e)
		},
	})
	require.NoError(t, err)
	record(ctx, sent)
	assert.Equal(t, []ecgridsession.Event{sent}, got)
}

func TestAnEventIsCountedThoughNextPanics(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	record, err := ecgridotel.OnEvent(ecgridotel.Config{
		MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)),
		Next:          func(context.Context, ecgridsession.Event) { panic("an audit hook that breaks") },
	})
	require.NoError(t, err)
	assert.Panics(t, func() { record(t.Context(), ecgridsession.Event{Kind: ecgridsession.SessionStarted}) }, "the middleware contains it")
	var all metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &all))
	assert.Len(t, all.ScopeMetrics, 1)
}

func TestAKindOfALaterVersionIsPassedOnAndNoted(t *testing.T) {
	reader, spans := sdkmetric.NewManualReader(), tracetest.NewSpanRecorder()
	calls := 0
	record, err := ecgridotel.OnEvent(ecgridotel.Config{
		MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)),
		Next:          func(context.Context, ecgridsession.Event) { calls++ },
	})
	require.NoError(t, err)
	ctx, span := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("").Start(t.Context(), "request")
	record(ctx, ecgridsession.Event{Kind: 99, Duration: 1})
	span.End()
	var all metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &all))
	assert.Empty(t, all.ScopeMetrics)
	assert.Equal(t, 1, calls)
	assert.Equal(t, "ecgridsession.event(99)", spans.Ended()[0].Events()[0].Name)
}

// refusing is a provider whose instruments cannot be made.
type refusing struct{ noop.MeterProvider }

type refusingMeter struct{ noop.Meter }

var errCounter, errHistogram = errors.New("no counters"), errors.New("no histograms")

func (refusing) Meter(string, ...metric.MeterOption) metric.Meter { return refusingMeter{} }

func (refusingMeter) Int64Counter(string, ...metric.Int64CounterOption) (metric.Int64Counter, error) {
	return nil, errCounter
}

func (refusingMeter) Float64Histogram(string, ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	return nil, errHistogram
}

func TestAnInstrumentThatCannotBeMadeIsAnErrorAtTheStart(t *testing.T) {
	record, err := ecgridotel.OnEvent(ecgridotel.Config{MeterProvider: refusing{}})
	assert.ErrorIs(t, err, errCounter)
	assert.ErrorIs(t, err, errHistogram)
	assert.Nil(t, record)
}
