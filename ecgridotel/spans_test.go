package ecgridotel_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridotel"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// noted are the events on the last span that has ended, each as its name and
// attributes, without the reference to the session.
func (s *site) noted() []string {
	s.t.Helper()
	ended := s.spans.Ended()
	require.NotEmpty(s.t, ended)
	var all []string
	for _, e := range ended[len(ended)-1].Events() {
		attrs, _ := attribute.NewSetWithFiltered(e.Attributes, func(kv attribute.KeyValue) bool {
			return kv.Key != "ecgridsession.session.ref"
		})
		all = append(all, strings.TrimPrefix(e.Name, "ecgridsession.")+" "+written(attrs))
	}
	return all
}

func TestTheSpanOfARequestTellsWhatBecameOfItsSession(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		s.grid.Inject(ecgridtest.Fault{Path: loginCall, Delay: 250 * time.Millisecond, Times: 1})
		v := s.signedIn()
		assert.Equal(t, []string{"session-started credential=bearer,upstream.duration=0.25"}, s.noted())

		require.Equal(t, http.StatusOK, v.get("/"))
		assert.Empty(t, s.noted())

		v.post("/login", byKey(demo))
		assert.Equal(t, []string{"session-ended ", "session-started credential=api-key"}, s.noted())

		s.grid.Inject(ecgridtest.Fault{Path: logoutCall, Status: 503, Delay: time.Second})
		v.post("/logout", nil)
		assert.Equal(t, []string{"logged-out logout.outcome=pending,upstream.duration=1,error.type=503"}, s.noted())

		(&visitor{s: s, cookie: "forged"}).get("/")
		assert.Equal(t, []string{"cookie-rejected "}, s.noted())
		settle()
	})
}

func TestTheSpanTellsOfALedgerThatDoesNotAnswer(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		v := s.signedIn()
		s.ledger.broken.Store(true)
		v.get("/")
		assert.Equal(t, []string{"ledger-unavailable error.type=ledger"}, s.noted())
	})
}

func TestASpanNamesTheSessionAsTheLogDoes(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		s.signedIn()
		require.Len(t, s.events, 1)
		ended := s.spans.Ended()
		require.Len(t, ended, 1)
		require.Len(t, ended[0].Events(), 1)
		assert.Contains(t, ended[0].Events()[0].Attributes, attribute.String("ecgridsession.session.ref", s.events[0].Session.Ref))
	})
}

func TestNoFaultMakesTheSpanAnError(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		v := s.signedIn()
		s.grid.Inject(ecgridtest.Fault{Path: logoutCall, Status: 503})
		s.ledger.broken.Store(true)
		v.get("/")
		v.post("/logout", nil)
		s.ledger.broken.Store(false)
		settle()
		for _, span := range s.spans.Ended() {
			assert.Equal(t, sdktrace.Status{Code: codes.Unset}, span.Status())
		}
	})
}

func TestWhatHappensInTheBackgroundIsOnNoSpan(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		v := s.signedIn()
		time.Sleep(tokenTTL - time.Minute)
		require.Equal(t, http.StatusOK, v.get("/"))
		require.Len(t, s.counted("ecgridsession.refreshes"), 1)
		assert.Empty(t, s.noted())
	}, func(cfg *ecgridsession.Config) { cfg.IdleTimeout = inADay })
}

// unrecorded is a span that was not sampled.
type unrecorded struct {
	noop.Span
	t *testing.T
}

func (s unrecorded) AddEvent(string, ...trace.EventOption) {
	s.t.Error("the attributes were put together for nobody")
}

func TestASpanThatIsNotRecordedCostsNothing(t *testing.T) {
	record, err := ecgridotel.OnEvent(ecgridotel.Config{MeterProvider: metricnoop.NewMeterProvider()})
	require.NoError(t, err)
	record(trace.ContextWithSpan(t.Context(), unrecorded{t: t}), ecgridsession.Event{Kind: ecgridsession.LoggedOut})
}
