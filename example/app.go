package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/ecgrid-contrib/ecgridsession"
)

// policy lets pages have the script, the style sheet and the event stream of
// this site, and nothing else. The icon is inside the page. The library's own
// pages bring a policy that is tighter still.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// app is the web app: the library's middleware, and a page or two.
type app struct {
	m        *ecgridsession.Middleware
	client   *http.Client
	inboxURL string
	grid     *grid // nil with the real ECGrid
	logger   *slog.Logger

	streams    context.Context // ends when the server shuts down
	endStreams context.CancelFunc
}

func newApp(opts options, logger *slog.Logger) (*app, error) {
	a := &app{logger: logger}
	upstream := opts.upstream
	if upstream == "" {
		var err error
		if a.grid, err = startGrid(opts.tokenTTL, logger); err != nil {
			return nil, err
		}
		upstream = a.grid.url
	}
	a.inboxURL = strings.TrimSuffix(upstream, "/") + "/v2/parcels/inbox-list"
	a.streams, a.endStreams = context.WithCancel(context.Background())

	var err error
	a.m, err = ecgridsession.New(ecgridsession.Config{
		Upstream:    upstream,
		Keys:        opts.keys,
		IdleTimeout: opts.idle,
		// Over plain http browsers keep no Secure cookie, some of them not even
		// for localhost, and curl never. What is listened on is a loopback
		// address, so nobody is there to read along.
		InsecureCookie: opts.plainHTTP(),
		Logger:         logger,
	})
	if err != nil {
		return nil, errors.Join(err, a.closeGrid(context.Background()))
	}
	a.client = a.m.Client()
	return a, nil
}

// handler is the whole site. It is wrapped once, at the outside, so that every
// page knows whether somebody is signed in.
func (a *app) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/login", a.m.LoginHandler())
	mux.Handle("/logout", a.m.LogoutHandler())
	mux.Handle("/session", a.m.SessionHandler())
	mux.HandleFunc("GET /{$}", a.home)
	mux.Handle("GET /static/", staticHandler())
	mux.HandleFunc("GET /events", a.events)
	mux.HandleFunc("/", a.notFound)
	return a.m.Wrap(withHeaders(mux))
}

func withHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

// close lets revocations finish that sign-outs have left, and then ends the
// fake, which they need.
func (a *app) close(ctx context.Context) error {
	a.endStreams()
	return errors.Join(a.m.Close(ctx), a.closeGrid(ctx))
}

func (a *app) closeGrid(ctx context.Context) error {
	if a.grid == nil {
		return nil
	}
	return a.grid.close(ctx)
}
