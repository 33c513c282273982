//go:build unix

package replicas_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/redisledger"
)

// appConfig is what a replica is told.
type appConfig struct {
	Upstream      string
	Redis         string
	Keys          [][]byte
	AuthTimeout   time.Duration
	IdleTimeout   time.Duration
	LedgerTimeout time.Duration
}

func withPatience() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience)
}

// runApp is a replica.
//
//	/inbox   behind Require, calls ECGrid
//	/stream  a byte every now and then for as long as the session is open
//	/login, /logout, /logout-everywhere, /session: the handlers of the library
func runApp() int {
	var cfg appConfig
	return beChild(&cfg, func() (http.Handler, func(), error) {
		ledger, err := redisledger.Open(cfg.Redis, "")
		if err != nil {
			return nil, nil, err
		}
		m, err := ecgridsession.New(ecgridsession.Config{
			Upstream:      cfg.Upstream,
			Keys:          cfg.Keys,
			Ledger:        ledger,
			AuthTimeout:   cfg.AuthTimeout,
			IdleTimeout:   cfg.IdleTimeout,
			LedgerTimeout: cfg.LedgerTimeout,
			Logger:        slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug - 4})),
			OnEvent: func(_ context.Context, e ecgridsession.Event) {
				line := eventLine{Kind: e.Kind.String(), Outcome: e.Outcome.String(), User: e.Session.UserID}
				if e.Err != nil {
					line.Err = e.Err.Error()
				}
				text, _ := json.Marshal(line)
				tell(string(text))
			},
		})
		if err != nil {
			return nil, nil, err
		}
		done := func() {
			ctx, cancel := withPatience()
			defer cancel()
			if err := m.Close(ctx); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
			ledger.Close()
		}
		return m.Wrap(routesOf(m, cfg.Upstream)), done, nil
	})
}

func routesOf(m *ecgridsession.Middleware, upstream string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/login", m.LoginHandler())
	mux.Handle("/logout", m.LogoutHandler())
	mux.Handle("/logout-everywhere", m.LogoutEverywhereHandler())
	mux.Handle("/session", m.SessionHandler())
	mux.Handle("/inbox", m.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, upstream+"/v2/parcels/inbox-list", strings.NewReader("{}"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		resp, err := m.Client().Do(req)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		w.WriteHeader(resp.StatusCode)
		io.Copy(w, resp.Body)
	})))
	mux.Handle("/stream", m.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := m.EndWithSession(r.Context())
		defer cancel()
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			if _, err := io.WriteString(w, "."); err != nil {
				return
			}
			http.NewResponseController(w).Flush()
			select {
			case <-tick.C:
			case <-ctx.Done():
				fmt.Fprint(w, context.Cause(ctx))
				return
			}
		}
	})))
	return mux
}
