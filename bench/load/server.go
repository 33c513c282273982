package load

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// ready is the first answer of the apps' process: where each app listens.
type ready struct{ Addrs map[string]string }

// used is its answer to every further question: the processor time that it has
// had so far.
type used struct{ Processor time.Duration }

// runServer is the process of the apps. It serves them until there are no more
// questions.
func runServer(questions *json.Decoder, answers *json.Encoder) (err error) {
	var config appsConfig
	if err := questions.Decode(&config); err != nil {
		return err
	}
	apps, closeApps, err := newApps(config)
	if err != nil {
		return err
	}
	var servers []*http.Server
	defer func() {
		for _, server := range servers {
			server.Close()
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience/2)
		defer cancel()
		// What it then gives up are the tries to end tokens at an ECGrid that
		// has gone before it, which is the parent's doing.
		_ = closeApps(ctx)
	}()
	where := ready{Addrs: make(map[string]string, len(apps))}
	for name, app := range apps {
		server, addr, err := listen(app)
		if err != nil {
			return err
		}
		servers = append(servers, server)
		where.Addrs[name] = addr
	}
	if err := answers.Encode(where); err != nil {
		return err
	}
	for {
		var question struct{}
		if err := questions.Decode(&question); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		processor, err := processorTime()
		if err != nil {
			return err
		}
		if err := answers.Encode(used{processor}); err != nil {
			return err
		}
	}
}

// listen serves a handler on a free loopback port.
func listen(h http.Handler) (*http.Server, string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", err
	}
	// Connections that are cut at the end are nobody's concern.
	server := &http.Server{Handler: h, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	go server.Serve(l) // until it is closed
	return server, l.Addr().String(), nil
}
