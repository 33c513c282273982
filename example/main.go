// Command example is a small web app on ecgridsession alone: a sign-in page, an
// inbox of ECGrid's parcels, the time that is left, and a way out. It runs
// against a fake ECGrid inside, and beside each page stands a panel with the
// calls that this ECGrid received, so that one sees the sign-out reach it:
//
//	go run ./example
//
// With -upstream it talks to the real ECGrid, and there is no panel. The keys
// that seal the cookie come from the environment variable ECGRID_SESSION_KEYS:
// 32 random bytes each, in base64, separated by commas.
//
// It listens on a loopback address, and over plain http, so that it needs no
// certificate; -tls-cert and -tls-key give it one. A real app is served over
// https, without Config.InsecureCookie, and refuses to start without its keys;
// everything else here is as it would be there.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// shutdownTimeout is how long requests, and then revocations, that are under way
// may take when the app is told to stop.
const shutdownTimeout = 5 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second Ctrl-C ends the process at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
}

// run is main with everything it touches as an argument. It serves until ctx
// ends and returns the exit status: 2 where flags or keys cannot be used, 1
// where running failed.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	opts, err := parseOptions(args, getenv, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "example: %v\n", err)
		return 2
	}
	logger := slog.New(slog.NewTextHandler(stderr, nil))
	if opts.randomKeys {
		logger.Warn(keysVariable + " is not set: the keys are random, so a restart signs everybody out")
	}
	a, err := newApp(opts, logger)
	if err != nil {
		fmt.Fprintf(stderr, "example: %v\n", err)
		return 2
	}
	if err := a.serve(ctx, opts, stdout); err != nil {
		fmt.Fprintf(stderr, "example: %v\n", err)
		return 1
	}
	return 0
}

// serve listens, says where, and serves until ctx ends; then it lets what is
// under way finish: requests first, then the revocations they have left.
func (a *app) serve(ctx context.Context, opts options, stdout io.Writer) (err error) {
	defer func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		err = errors.Join(err, a.close(ending))
	}()
	listener, err := net.Listen("tcp", opts.addr)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           a.handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      30 * time.Second, // the event stream moves its own on
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(a.logger.Handler(), slog.LevelWarn),
	}
	// Shutdown waits for requests to finish, and a stream does not by itself.
	server.RegisterOnShutdown(a.endStreams)

	fmt.Fprintln(stdout, opts.greeting(listener.Addr().(*net.TCPAddr).Port))

	failed := make(chan error, 1)
	go func() {
		if opts.plainHTTP() {
			failed <- server.Serve(listener)
			return
		}
		failed <- server.ServeTLS(listener, opts.tlsCert, opts.tlsKey)
	}()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	return server.Shutdown(ending)
}
