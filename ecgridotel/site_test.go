package ecgridotel_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridotel"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// Each value that must not show is one that nothing else looks like.
var (
	demo  = ecgridtest.User{ID: 830_194_271, Login: "zq-login-demo", Password: "vx-password-demo", APIKey: "kj-api-key-demo-0123456789"}
	admin = ecgridtest.User{ID: 740_285_163, Login: "zq-login-admin", Password: "vx-password-admin", AuthLevel: "MailboxAdmin"}
)

const (
	loginCall   = "/v2/auth/login"
	refreshCall = "/v2/auth/refresh"
	logoutCall  = "/v2/auth/logout"
	tokenTTL    = time.Hour
	inADay      = 24 * time.Hour
)

// site is an app whose middleware reports to an SDK in memory, with a fake
// ECGrid and no network, inside a bubble of testing/synctest.
type site struct {
	t      *testing.T
	grid   *ecgridtest.API
	ledger *fragileLedger
	m      *ecgridsession.Middleware
	app    http.Handler

	mu     sync.Mutex
	events []ecgridsession.Event // what Next got
	tokens []string              // what ECGrid was sent

	reader *metric.ManualReader
	spans  *tracetest.SpanRecorder
}

// inBubble runs a property over a new site.
func inBubble(t *testing.T, property func(t *testing.T, s *site), changes ...func(*ecgridsession.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { property(t, newSite(t, changes...)) })
}

func newSite(t *testing.T, changes ...func(*ecgridsession.Config)) *site {
	t.Helper()
	s := &site{
		t: t, grid: ecgridtest.NewAPI(), ledger: &fragileLedger{Ledger: ecgridsession.NewMemoryLedger()},
		reader: metric.NewManualReader(), spans: tracetest.NewSpanRecorder(),
	}
	s.grid.AddUser(demo)
	s.grid.AddUser(admin)
	s.grid.SetTokenTTL(tokenTTL)
	record, err := ecgridotel.OnEvent(ecgridotel.Config{
		MeterProvider: metric.NewMeterProvider(metric.WithReader(s.reader)),
		Next: func(_ context.Context, e ecgridsession.Event) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.events = append(s.events, e)
		},
	})
	require.NoError(t, err)
	cfg := ecgridsession.Config{
		Upstream:      "https://ecgrid.example",
		Keys:          [][]byte{[]byte("a-key-of-thirty-two-bytes-length")},
		Ledger:        s.ledger,
		BaseTransport: s,
		Logger:        slog.New(slog.DiscardHandler),
		OnEvent:       record,
	}
	for _, change := range changes {
		change(&cfg)
	}
	s.m, err = ecgridsession.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_ = s.m.Close(ctx) // what hangs is cut short: the test's own doing
	})

	mux := http.NewServeMux()
	mux.Handle("/login", s.m.LoginHandler())
	mux.Handle("/logout", s.m.LogoutHandler())
	mux.Handle("/everywhere", s.m.LogoutEverywhereHandler())
	mux.Handle("/{$}", s.m.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	wrapped := s.m.Wrap(mux)
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(s.spans)).Tracer("app")
	s.app = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, span := tracer.Start(r.Context(), "request")
		defer span.End()
		wrapped.ServeHTTP(w, r.WithContext(ctx))
	})
	return s
}

// RoundTrip hands a call to the fake, as a network would.
func (s *site) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	defer func() {
		switch cut := recover(); {
		case cut == nil:
		case cut == any(http.ErrAbortHandler):
			resp, err = nil, errors.Join(io.ErrUnexpectedEOF, r.Context().Err())
		default:
			panic(cut)
		}
	}()
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		s.mu.Lock()
		s.tokens = append(s.tokens, token)
		s.mu.Unlock()
	}
	w := httptest.NewRecorder()
	s.grid.ServeHTTP(w, r.Clone(r.Context()))
	return w.Result(), nil
}

// close closes the middleware at once: what waits is tried once more.
func (s *site) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return s.m.Close(ctx)
}

// settle lets everything in the background come to its end.
func settle() {
	time.Sleep(inADay)
	synctest.Wait()
}

// visitor is a browser with room for one cookie.
type visitor struct {
	s      *site
	cookie string
	seen   []string // every cookie that it ever had
}

func (s *site) visitor() *visitor { return &visitor{s: s} }

func (v *visitor) request(ctx context.Context, method, path string, form url.Values) *http.Response {
	r := httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if v.cookie != "" {
		r.AddCookie(&http.Cookie{Name: "__Host-ecgrid", Value: v.cookie})
	}
	w := httptest.NewRecorder()
	v.s.app.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		v.cookie = c.Value
		v.seen = append(v.seen, c.Value)
	}
	return w.Result()
}

func (v *visitor) get(path string) int {
	return v.request(context.Background(), http.MethodGet, path, nil).StatusCode
}

func (v *visitor) post(path string, form url.Values) int {
	return v.request(context.Background(), http.MethodPost, path, form).StatusCode
}

func byPassword(u ecgridtest.User) url.Values {
	return url.Values{"login": {u.Login}, "password": {u.Password}}
}

func byKey(u ecgridtest.User) url.Values { return url.Values{"api_key": {u.APIKey}} }

// signedIn is a visitor who has signed in with a password.
func (s *site) signedIn() *visitor {
	s.t.Helper()
	v := s.visitor()
	require.Equal(s.t, http.StatusSeeOther, v.post("/login", byPassword(demo)))
	return v
}

// collect reads every metric so far, by its name.
func (s *site) collect() map[string]metricdata.Metrics {
	s.t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(s.t, s.reader.Collect(context.Background(), &all))
	found := make(map[string]metricdata.Metrics)
	for _, scope := range all.ScopeMetrics {
		assert.Equal(s.t, "github.com/ecgrid-contrib/ecgridsession/ecgridotel", scope.Scope.Name)
		for _, m := range scope.Metrics {
			found[m.Name] = m
		}
	}
	return found
}

// counted gives what a counter says, by its attributes written as "key=value,…".
func (s *site) counted(name string) map[string]int64 { return s.summed(name, true) }

// pending gives what the up-down counter of revocations says.
func (s *site) pending() map[string]int64 {
	return s.summed("ecgridsession.revocations.pending", false)
}

func (s *site) summed(name string, monotonic bool) map[string]int64 {
	s.t.Helper()
	m, ok := s.collect()[name]
	if !ok {
		return nil
	}
	sum, ok := m.Data.(metricdata.Sum[int64])
	require.True(s.t, ok, "%s is no counter", name)
	assert.Equal(s.t, monotonic, sum.IsMonotonic, name)
	found := make(map[string]int64)
	for _, point := range sum.DataPoints {
		found[written(point.Attributes)] = point.Value
	}
	return found
}

// timed gives the durations in the histogram, in seconds, by their attributes.
func (s *site) timed() map[string]metricdata.HistogramDataPoint[float64] {
	s.t.Helper()
	m, ok := s.collect()["ecgridsession.upstream.duration"]
	require.True(s.t, ok)
	histogram, ok := m.Data.(metricdata.Histogram[float64])
	require.True(s.t, ok)
	found := make(map[string]metricdata.HistogramDataPoint[float64])
	for _, point := range histogram.DataPoints {
		found[written(point.Attributes)] = point
	}
	return found
}

func written(attrs attribute.Set) string {
	return strings.ReplaceAll(attrs.Encoded(attribute.DefaultEncoder()), "ecgridsession.", "")
}

// fragileLedger is a ledger that breaks when told to.
type fragileLedger struct {
	ecgridsession.Ledger
	broken atomic.Bool
}

var errBroken = errors.New("the ledger is broken")

func (l *fragileLedger) Load(ctx context.Context, keys ...string) ([][]byte, error) {
	if l.broken.Load() {
		return nil, errBroken
	}
	return l.Ledger.Load(ctx, keys...)
}

func (l *fragileLedger) CompareAndSwap(ctx context.Context, key string, old, next []byte, ttl time.Duration) (bool, error) {
	if l.broken.Load() {
		return false, errBroken
	}
	return l.Ledger.CompareAndSwap(ctx, key, old, next, ttl)
}
