//go:build unix

package replicas_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience bounds everything that should happen soon on a busy machine.
const patience = 20 * time.Second

// process is one child of the test: this very binary in another role. It prints
// its URL, then events, a line each.
type process struct {
	t   *testing.T
	url string
	cmd *exec.Cmd

	ended chan struct{}

	mu     sync.Mutex
	events []eventLine
	logs   bytes.Buffer // what it wrote to stderr
}

// eventLine is an event as an app prints it.
type eventLine struct {
	Kind    string `json:"kind"`
	Outcome string `json:"outcome"`
	User    int64  `json:"user"`
	Err     string `json:"err"`
}

// spawn starts this binary as what; config goes to it as JSON, on stdin.
func spawn(t *testing.T, what string, config any) *process {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	input, err := json.Marshal(config)
	require.NoError(t, err)

	p := &process{t: t, cmd: exec.Command(self), ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), role+"="+what)
	p.cmd.Stderr = lockedWriter{&p.mu, &p.logs}
	// The pipe stays open: a child whose test has died finds it closed, and ends.
	stdin, err := p.cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() { p.end(syscall.SIGKILL) })

	_, err = stdin.Write(append(input, '\n'))
	require.NoError(t, err)
	ready := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(stdout)
		if lines.Scan() {
			ready <- lines.Text()
		}
		close(ready)
		for lines.Scan() {
			var e eventLine
			if json.Unmarshal(lines.Bytes(), &e) == nil {
				p.mu.Lock()
				p.events = append(p.events, e)
				p.mu.Unlock()
			}
		}
		p.cmd.Wait()
		close(p.ended)
	}()
	select {
	case p.url = <-ready:
	case <-time.After(patience):
	}
	require.NotEmpty(t, p.url, "the %s does not start: %s", what, p.log())
	return p
}

// of returns how many events of a kind the process has told of.
func (p *process) of(kind string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, e := range p.events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// tellsOf waits for so many events of a kind, at least: they come by a pipe.
func (p *process) tellsOf(n int, kind string) {
	p.t.Helper()
	require.Eventually(p.t, func() bool { return p.of(kind) >= n }, patience, 5*time.Millisecond, "no event %s", kind)
}

func (p *process) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.logs.String()
}

// end signals the process and waits until it is gone.
func (p *process) end(signal syscall.Signal) {
	p.t.Helper()
	select {
	case <-p.ended:
		return
	default:
	}
	p.signal(signal)
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.t.Errorf("process %d does not end", p.cmd.Process.Pid)
	}
}

// kill is kill -9.
func (p *process) kill() { p.end(syscall.SIGKILL) }

// stop lets it finish what it is at.
func (p *process) stop() { p.end(syscall.SIGTERM) }

// freeze is SIGSTOP, thaw its end.
func (p *process) freeze() { p.signal(syscall.SIGSTOP) }
func (p *process) thaw()   { p.signal(syscall.SIGCONT) }

func (p *process) signal(signal syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil {
		p.t.Errorf("signal %s: %v", signal, err)
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// beChild is the child's side of spawn: it reads its configuration, serves what
// start returns on a free port, says where, and ends by SIGTERM, or with its
// parent; done runs after the last request.
func beChild(config any, start func() (h http.Handler, done func(), err error)) int {
	input := bufio.NewReader(os.Stdin)
	line, err := input.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, config)
	}
	var h http.Handler
	var done func()
	if err == nil {
		h, done, err = start()
	}
	var l net.Listener
	if err == nil {
		l, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	server := &http.Server{Handler: h}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	go func() {
		io.Copy(io.Discard, input)
		stop <- syscall.SIGTERM
	}()
	go server.Serve(l)
	tell("http://" + l.Addr().String())
	<-stop
	ctx, cancel := withPatience()
	defer cancel()
	server.Shutdown(ctx)
	done()
	return 0
}

var telling sync.Mutex

// tell prints a line for the parent.
func tell(line string) {
	telling.Lock()
	defer telling.Unlock()
	fmt.Println(strings.ReplaceAll(line, "\n", " "))
}
