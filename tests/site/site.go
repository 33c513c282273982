package site

import (
	"context"
	"crypto/rand"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// Demo is the user that every site knows.
var Demo = ecgridtest.User{ID: 4711, Login: "demo", Password: "canary-password-qX7", APIKey: "canary-api-key-zW3-0123456789"}

// Upstream is the default of Config.Upstream, and the address of ECGrid for
// sites in process.
const Upstream = "https://rest.ecgrid.io"

// The calls of the fake ECGrid that tests count.
const (
	LoginCall   = "/v2/auth/login"
	SessionCall = "/v2/auth/session"
	LogoutCall  = "/v2/auth/logout"
	RefreshCall = "/v2/auth/refresh"
	InboxCall   = "/v2/parcels/inbox-list"
	ResetCall   = "/v2/users/reset/4711" // of Demo
)

// Site is one replica of an app behind the middleware. Its ECGrid, ledger and
// key are those of every replica.
type Site struct {
	T      *testing.T
	Grid   *ecgridtest.Server
	Ledger *Ledger
	Key    []byte

	Middleware *ecgridsession.Middleware
	Mux        *http.ServeMux   // further routes, behind Wrap
	Handler    http.Handler     // Mux behind Wrap
	App        *httptest.Server // nil in process
	Events     *EventLog
	Logs       *LogBuffer // everything that was logged, at every level

	settings settings
	config   ecgridsession.Config // as New was given it
}

// Option changes how a site is started.
type Option func(*settings)

type settings struct {
	inProcess bool
	panics    bool
	changes   []func(*ecgridsession.Config)
}

// InProcess starts a site without a network. ECGrid and the app are called as
// handlers, so in a synctest bubble all of it follows the bubble's clock. Its
// ledger can be made to fail.
func InProcess() Option { return func(o *settings) { o.inProcess = true } }

// With applies changes to the Config of every replica before New.
func With(changes ...func(*ecgridsession.Config)) Option {
	return func(o *settings) { o.changes = append(o.changes, changes...) }
}

// ExpectPanics says that handlers of the test panic, which then shows in the
// site's logs. Otherwise a panic that net/http logs fails the test.
func ExpectPanics() Option { return func(o *settings) { o.panics = true } }

// New starts a site that is stopped when the test ends.
func New(t *testing.T, options ...Option) *Site {
	t.Helper()
	s := &Site{T: t, Ledger: NewLedger(), Key: NewKey(t)}
	for _, option := range options {
		option(&s.settings)
	}
	if s.settings.inProcess {
		s.Grid = &ecgridtest.Server{API: ecgridtest.NewAPI(), URL: Upstream}
	} else {
		s.Grid = ecgridtest.NewServer(t)
	}
	s.Grid.AddUser(Demo)
	s.start(s.settings.changes)
	return s
}

// Replica starts another process of the same app: the same ECGrid, ledger, key
// and options. The changes are applied to its Config after those of [With].
func (s *Site) Replica(changes ...func(*ecgridsession.Config)) *Site {
	s.T.Helper()
	other := &Site{T: s.T, Grid: s.Grid, Ledger: s.Ledger, Key: s.Key, settings: s.settings}
	other.start(append(s.settings.changes[:len(s.settings.changes):len(s.settings.changes)], changes...))
	return other
}

func (s *Site) start(changes []func(*ecgridsession.Config)) {
	s.T.Helper()
	s.Mux, s.Events, s.Logs = http.NewServeMux(), &EventLog{}, &LogBuffer{}
	cfg := ecgridsession.Config{
		Upstream: s.Grid.URL,
		Keys:     [][]byte{s.Key},
		Ledger:   s.Ledger.Memory, // the library knows that it never blocks
		Logger:   slog.New(slog.NewTextHandler(s.Logs, &slog.HandlerOptions{Level: slog.LevelDebug - 4})),
		OnEvent:  s.Events.Add,
	}
	if s.settings.inProcess {
		cfg.Ledger, cfg.BaseTransport = s.Ledger, HandlerTransport{Handler: s.Grid.API}
	}
	for _, change := range changes {
		change(&cfg)
	}
	s.config = cfg
	patience := 100 * time.Millisecond
	if s.settings.inProcess {
		patience = time.Minute // of the bubble: long enough for a last try at everything
	}
	s.Middleware = newMiddleware(s.T, cfg, patience)
	s.routes()
	s.Handler = s.Middleware.Wrap(s.Mux)
	if !s.settings.inProcess {
		s.App = serve(s.T, s.Handler, s.errorLog())
	}
}

// errorLog is the ErrorLog of the app's server.
func (s *Site) errorLog() *log.Logger {
	if s.settings.panics {
		return slog.NewLogLogger(slog.NewTextHandler(s.Logs, nil), slog.LevelError)
	}
	return ErrorLog(s.T)
}

// NewMiddleware builds a Middleware whose background work ends with the test.
func NewMiddleware(t *testing.T, cfg ecgridsession.Config) *ecgridsession.Middleware {
	t.Helper()
	return newMiddleware(t, cfg, 100*time.Millisecond)
}

func newMiddleware(t *testing.T, cfg ecgridsession.Config, patience time.Duration) *ecgridsession.Middleware {
	t.Helper()
	m, err := ecgridsession.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = m.Close(ctx) // what is left has an unreachable upstream: the test's own doing
	})
	return m
}

// NewKey returns a random key for Config.Keys.
func NewKey(t testing.TB) []byte {
	t.Helper()
	key := make([]byte, 32)
	_, err := rand.Read(key)
	require.NoError(t, err)
	return key
}

// Refreshes is how often ECGrid was asked for a fresh token.
func (s *Site) Refreshes() int { return len(s.Grid.Calls(RefreshCall)) }
