package load

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// sample is one slice of one app.
type sample struct {
	perSecond float64 // requests answered
	processor float64 // the apps' processor time for one request, in microseconds
	busy      float64 // how many cores the process of the apps had
	loading   float64 // how many the generator had
}

// Measure starts the processes, loads the apps in turn, times the sign-outs and
// ends the processes, also where ctx ends it or something fails. The program's
// main must have called [Child].
func Measure(ctx context.Context, o Options) (result Result, err error) {
	o = o.withDefaults()
	if err := o.check(); err != nil {
		return Result{}, err
	}
	if !childCalled.Load() {
		return Result{}, errors.New("load: main must call load.Child before anything else")
	}
	defer func() {
		// A process that is killed says so in many ways; this is why.
		if ctx.Err() != nil {
			err = fmt.Errorf("load: %w", ctx.Err())
		}
	}()
	m := measurement{options: o, client: newClient()}
	defer m.client.CloseIdleConnections()
	if err := m.run(ctx); err != nil {
		return Result{}, err
	}
	return Result{options: o, samples: m.samples, signOuts: m.signOuts}, nil
}

// newClient is a browser that stays where it is.
func newClient() *http.Client {
	return &http.Client{
		Transport:     http.DefaultTransport.(*http.Transport).Clone(),
		Timeout:       exchangeTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

type measurement struct {
	options   Options
	client    *http.Client
	apps      *child
	generator *child
	samples   map[series][]sample
	signOuts  signOuts
}

func (m *measurement) run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "ecgridsession-load-")
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, staticFile), []byte(staticContent), 0o600); err != nil {
		return fmt.Errorf("load: %w", err)
	}

	m.apps, err = startChild(ctx, roleServer, m.options.ServerProcs, m.onCoresAfter(0, m.options.ServerProcs))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.apps.end()) }()
	m.generator, err = startChild(ctx, roleGenerator, m.options.GeneratorProcs, m.onCoresAfter(m.options.ServerProcs, m.options.GeneratorProcs))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.generator.end()) }()
	g, err := startGrid()
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	// Before the apps end, so that they need not wait for calls that hang.
	defer g.close()

	token := g.Issue(demo.ID).Token
	var where ready
	if err := m.apps.ask(appsConfig{
		ECGrid: g.url, Login: demo.Login, Token: token, Static: dir, LogoutTimeout: m.options.LogoutTimeout,
	}, &where); err != nil {
		return err
	}
	ours, err := signIn(m.client, where.Addrs[appMiddleware], demo.Login, demo.Password)
	if err != nil {
		return err
	}
	gorillas, err := signIn(m.client, where.Addrs[appGorilla], demo.Login, demo.Password)
	if err != nil {
		return err
	}
	if err := m.load(ctx, casesFor(where.Addrs, ours, gorillas, user{demo.Login, token})); err != nil {
		return err
	}
	m.signOuts, err = measureSignOuts(ctx, m.options, g, m.client, where.Addrs)
	return err
}

// onCoresAfter starts a process on count cores that are its own: those after the
// first skip.
func (m *measurement) onCoresAfter(skip, count int) func(func() error) error {
	return func(start func() error) error {
		if m.options.ShareCores {
			return start()
		}
		return startOnCores(skip, count, start)
	}
}

// load goes through the rounds. Apps that are compared are loaded right after
// each other. Apart from that chance decides on the order in each round, so that
// none always comes after the one that leaves the most garbage.
func (m *measurement) load(ctx context.Context, subjects [][]loadCase) error {
	m.samples = make(map[series][]sample)
	lengths := make(map[series]int)
	for _, cases := range subjects {
		for _, c := range cases {
			length, err := c.probe()
			if err != nil {
				return fmt.Errorf("load: %s, %s: %w", c.subject, c.app, err)
			}
			lengths[c.series] = length
		}
	}
	for round := range m.options.Rounds {
		for _, subject := range rand.Perm(len(subjects)) {
			cases := subjects[subject]
			for _, i := range rand.Perm(len(cases)) {
				if err := ctx.Err(); err != nil {
					return err
				}
				taken, err := m.slice(cases[i], lengths[cases[i].series])
				if err != nil {
					return err
				}
				m.samples[cases[i].series] = append(m.samples[cases[i].series], taken)
			}
		}
		m.options.Progress(round+1, m.options.Rounds)
	}
	return nil
}

// slice loads one app once.
func (m *measurement) slice(c loadCase, length int) (sample, error) {
	o := order{
		Addr: c.addr, Request: c.request, Length: length,
		Conns: m.options.Conns, Lead: m.options.Slice / 8, Slice: m.options.Slice,
	}
	var before, after used
	var done count
	if err := m.apps.ask(struct{}{}, &before); err != nil {
		return sample{}, err
	}
	began := time.Now()
	if err := m.generator.ask(o, &done); err != nil {
		return sample{}, err
	}
	took := time.Since(began)
	if err := m.apps.ask(struct{}{}, &after); err != nil {
		return sample{}, err
	}
	processor := after.Processor - before.Processor
	return sample{
		perSecond: float64(done.Counted) / done.Took.Seconds(),
		processor: processor.Seconds() * 1e6 / float64(done.All),
		busy:      processor.Seconds() / took.Seconds(),
		loading:   done.Processor.Seconds() / took.Seconds(),
	}, nil
}

// probe sends the request once and looks at the answer as a whole. It returns
// the length of the body.
func (c loadCase) probe() (length int, err error) {
	conn, err := net.DialTimeout("tcp", c.addr, exchangeTimeout)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(exchangeTimeout)); err != nil {
		return 0, err
	}
	if _, err := conn.Write(c.request); err != nil {
		return 0, err
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	switch {
	case err != nil:
		return 0, err
	case answer.StatusCode != http.StatusOK:
		return 0, fmt.Errorf("answered %s", answer.Status)
	case len(answer.Header["Set-Cookie"]) > 0:
		return 0, errors.New("answered with a new cookie, which the generator would not take")
	case c.want != "" && !bytes.Equal(body, []byte(c.want)):
		return 0, errors.New("answered with another page than the one that was asked for")
	}
	return len(body), nil
}
