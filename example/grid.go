package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// demo is the user whom the fake ECGrid knows. Nothing here is a secret.
var demo = ecgridtest.User{ID: 1042, Login: "demo", Password: "demo", APIKey: "demo-api-key"}

// grid is the fake ECGrid, on a port of its own: the library calls it over the
// network, as it would the real one.
type grid struct {
	*ecgridtest.API
	url    string
	server *http.Server

	mu      sync.Mutex
	changed chan struct{} // closed after the next call
}

func startGrid(tokenTTL time.Duration, logger *slog.Logger) (*grid, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	g := &grid{API: ecgridtest.NewAPI(), url: "http://" + listener.Addr().String(), changed: make(chan struct{})}
	g.AddUser(demo)
	g.SetTokenTTL(tokenTTL)
	g.server = &http.Server{
		Handler:           g,
		ReadHeaderTimeout: 5 * time.Second,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
	go func() {
		if err := g.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			logger.Error("the fake ECGrid stopped", "error", err)
		}
	}()
	return g, nil
}

// close ends the fake. What still calls it is cut off when ctx ends.
func (g *grid) close(ctx context.Context) error {
	if err := g.server.Shutdown(ctx); err != nil {
		return errors.Join(err, g.server.Close())
	}
	return nil
}

// ServeHTTP handles a call and then tells those who wait for one.
func (g *grid) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer g.announce()
	g.API.ServeHTTP(w, r)
}

func (g *grid) announce() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.changed)
	g.changed = make(chan struct{})
}

// nextChange is closed after the next call. Taken before Calls is read, it
// misses none.
func (g *grid) nextChange() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.changed
}
