package ecgridotel

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/ecgrid-contrib/ecgridsession"
)

// One function that turns events into metrics and into a note on the current
// span. It holds nothing but the instruments: what is counted is the library's
// to say, by an Event for each thing that happens, once.

// scope is the name of the meter.
const scope = "github.com/ecgrid-contrib/ecgridsession/ecgridotel"

// The attributes.
const (
	keyCredential        = attribute.Key("ecgridsession.credential")
	keyRefreshOutcome    = attribute.Key("ecgridsession.refresh.outcome")
	keyLogoutOutcome     = attribute.Key("ecgridsession.logout.outcome")
	keyRevocationOutcome = attribute.Key("ecgridsession.revocation.outcome")
	keyCall              = attribute.Key("ecgridsession.upstream.call")
	keyErrorType         = attribute.Key("error.type") // as OpenTelemetry's conventions name it

	// On spans only.
	keySessionRef = attribute.Key("ecgridsession.session.ref")
	keyDuration   = attribute.Key("ecgridsession.upstream.duration")
)

// Config says where metrics go. The zero Config is ready for use.
type Config struct {
	// MeterProvider makes the instruments; default otel.GetMeterProvider(),
	// which may be asked before the app has set it.
	MeterProvider metric.MeterProvider
	// Next, if not nil, gets each event afterwards: ecgridsession.Config has
	// room for one OnEvent.
	Next func(context.Context, ecgridsession.Event)
}

// OnEvent returns what to set as ecgridsession.Config.OnEvent. Its error is of
// an instrument that the MeterProvider refuses to make. The function may serve
// several middlewares; their numbers then add up. It is safe for concurrent
// use, if Next is.
func OnEvent(cfg Config) (func(context.Context, ecgridsession.Event), error) {
	provider := cfg.MeterProvider
	if provider == nil {
		provider = otel.GetMeterProvider()
	}
	in, err := newInstruments(provider.Meter(scope))
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, e ecgridsession.Event) {
		in.record(ctx, e)
		annotate(ctx, e)
		if cfg.Next != nil {
			cfg.Next(ctx, e)
		}
	}, nil
}

// instruments are made once, by OnEvent, and never changed; each is safe for
// concurrent use by itself.
type instruments struct {
	logins, loginFailures, refreshes, logouts, ends, revocations, rejections, ledgerFailures metric.Int64Counter

	pending  metric.Int64UpDownCounter
	duration metric.Float64Histogram
}

// All are tried and all faults returned at once. A meter that refuses one name
// would else be found out name by name.
func newInstruments(meter metric.Meter) (*instruments, error) {
	in := &instruments{}
	var faults []error
	for _, c := range []struct {
		to                      *metric.Int64Counter
		name, unit, description string
	}{
		{&in.logins, "ecgridsession.logins", "{login}", "Users who signed in."},
		{&in.loginFailures, "ecgridsession.login.failures", "{login}", "Sign-ins that came to nothing."},
		{&in.refreshes, "ecgridsession.refreshes", "{refresh}", "Calls that asked ECGrid for a new token."},
		{&in.logouts, "ecgridsession.logouts", "{logout}", "Users who signed out."},
		{&in.ends, "ecgridsession.ends", "{session}", "Sessions that ended otherwise than by sign-out."},
		{&in.revocations, "ecgridsession.revocations", "{revocation}", "Revocations outside of a sign-out's own call that are over."},
		{&in.rejections, "ecgridsession.cookie.rejections", "{cookie}", "Session cookies that could not be opened."},
		{&in.ledgerFailures, "ecgridsession.ledger.failures", "{failure}", "Times that the ledger could not be asked."},
	} {
		var err error
		*c.to, err = meter.Int64Counter(c.name, metric.WithUnit(c.unit), metric.WithDescription(c.description))
		faults = append(faults, err)
	}
	var pendingErr, err error
	in.pending, pendingErr = meter.Int64UpDownCounter("ecgridsession.revocations.pending",
		metric.WithUnit("{revocation}"), metric.WithDescription("Revocations in the background that are not over."))
	in.duration, err = meter.Float64Histogram("ecgridsession.upstream.duration",
		metric.WithUnit("s"), metric.WithDescription("How long a call to ECGrid took."),
		// 3 and 5 are the default deadlines of a sign-out and of all else, so
		// what ran into its deadline is in the bucket after.
		metric.WithExplicitBucketBoundaries(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10))
	return in, errors.Join(append(faults, pendingErr, err)...)
}

// record counts an event, and the call to ECGrid that it tells of.
func (in *instruments) record(ctx context.Context, e ecgridsession.Event) {
	attrs := metric.WithAttributes(describe(e)...)
	switch e.Kind {
	case ecgridsession.SessionStarted:
		in.logins.Add(ctx, 1, attrs)
	case ecgridsession.SignInFailed:
		in.loginFailures.Add(ctx, 1, attrs)
	case ecgridsession.SessionRefreshed, ecgridsession.RefreshFailed:
		in.refreshes.Add(ctx, 1, attrs)
	case ecgridsession.SessionEnded:
		// Without the outcome of a refresh: what ended the session is not
		// always one.
		in.ends.Add(ctx, 1, metric.WithAttributes(errorAttribute(e.Err)...))
		if e.Duration > 0 {
			in.refreshes.Add(ctx, 1, attrs)
		}
	case ecgridsession.LoggedOut:
		in.logouts.Add(ctx, 1, attrs)
	case ecgridsession.RevocationPending:
		// No attributes: what is added under some must be taken off under the
		// same, and what a revocation comes to is not known yet.
		in.pending.Add(ctx, 1)
	case ecgridsession.RevocationDone, ecgridsession.RevocationGaveUp:
		in.pending.Add(ctx, -1)
		in.revocations.Add(ctx, 1, attrs)
	case ecgridsession.CookieRejected:
		in.rejections.Add(ctx, 1, attrs)
	case ecgridsession.LedgerUnavailable:
		in.ledgerFailures.Add(ctx, 1, attrs)
	}
	// By the error of the call alone: a sign-out whose ledger failed may have
	// had a good answer from ECGrid.
	if call := callOf(e.Kind); call != "" && e.Duration > 0 {
		attrs := []attribute.KeyValue{keyCall.String(call)}
		if kind := upstreamErrorType(e.Err); kind != "" {
			attrs = append(attrs, keyErrorType.String(kind))
		}
		in.duration.Record(ctx, e.Duration.Seconds(), metric.WithAttributes(attrs...))
	}
}

// callOf names the call to ECGrid whose Duration an event of a kind has.
func callOf(kind ecgridsession.EventKind) string {
	switch kind {
	case ecgridsession.SessionStarted, ecgridsession.SignInFailed:
		return "login"
	case ecgridsession.SessionRefreshed, ecgridsession.RefreshFailed, ecgridsession.SessionEnded:
		return "refresh" // the only call that may end a session by itself
	case ecgridsession.LoggedOut:
		return "logout"
	case ecgridsession.RevocationDone, ecgridsession.RevocationGaveUp:
		return "revocation"
	default:
		return ""
	}
}

// describe is what can be said of an event in words of which there are few.
// Every value is one of a list in this package or the library. A user, a
// session or a text among them would make a series of its own for each, and
// carry persons into the metrics.
func describe(e ecgridsession.Event) []attribute.KeyValue {
	attrs := errorAttribute(e.Err)
	switch e.Kind {
	case ecgridsession.SessionStarted:
		credential := "bearer"
		if e.Session.APIKey {
			credential = "api-key"
		}
		attrs = append(attrs, keyCredential.String(credential))
	case ecgridsession.SessionRefreshed:
		attrs = append(attrs, keyRefreshOutcome.String("refreshed"))
	case ecgridsession.RefreshFailed:
		attrs = append(attrs, keyRefreshOutcome.String("failed"))
	case ecgridsession.SessionEnded:
		if e.Duration > 0 {
			attrs = append(attrs, keyRefreshOutcome.String("ended"))
		}
	case ecgridsession.LoggedOut:
		attrs = append(attrs, keyLogoutOutcome.String(e.Outcome.String()))
	case ecgridsession.RevocationDone, ecgridsession.RevocationGaveUp:
		outcome := e.Outcome.String()
		if e.Outcome == ecgridsession.LogoutPending {
			outcome = "gave-up" // nothing is pending any more
		}
		attrs = append(attrs, keyRevocationOutcome.String(outcome))
	}
	return attrs
}

// annotate notes an event on the current span, if that is recorded. The
// reference of the session is here and not among the metrics' attributes: a
// span is of one request, so it costs no series.
func annotate(ctx context.Context, e ecgridsession.Event) {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	attrs := describe(e)
	if e.Session.Ref != "" {
		attrs = append(attrs, keySessionRef.String(e.Session.Ref))
	}
	if e.Duration > 0 {
		attrs = append(attrs, keyDuration.Float64(e.Duration.Seconds()))
	}
	span.AddEvent("ecgridsession."+e.Kind.String(), trace.WithAttributes(attrs...))
}
