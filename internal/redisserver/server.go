//go:build unix

// Package redisserver runs a real redis-server for the tests of the nested
// modules: on a free loopback port, with a directory of its own, ended by its
// own process id.
package redisserver

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ecgrid-contrib/ecgridsession/internal/required"
)

// patience is how long a server may take to start or to end. It is an order of
// magnitude over what a start takes, for machines that are busy with other
// tests; no test measures it.
const patience = 20 * time.Second

// Server is one redis-server. It is started by Start and ended with its test,
// whatever state the test leaves it in. Its methods are for one goroutine, the
// test's own.
type Server struct {
	// Addr is host:port. It stays the same over a Restart, so a client finds
	// the server again.
	Addr string

	// What a start needs is kept for Restart: program, directory and arguments
	// do not change.
	t      testing.TB
	binary string
	dir    string
	args   []string
	// cmd is the process that runs now, or ran last. ended is closed when that
	// is over; each start makes a new one.
	cmd   *exec.Cmd
	ended chan struct{}
}

// Start runs a server with further arguments of redis-server, until the test
// ends. Without any it keeps nothing on disk. Where there is no redis-server,
// the test is skipped; with "redis" in ECGRID_REQUIRE it fails. A real server
// and no fake: what matters are scripts, evictions and lost connections, of
// which a fake has its author's idea.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	return launch(t, append([]string{"--save", ""}, args...))
}

// StartSentinel starts a Sentinel that watches nothing yet. The test tells it
// what to watch, by commands, once the servers are there.
func StartSentinel(t testing.TB) *Server {
	t.Helper()
	config := filepath.Join(t.TempDir(), "sentinel.conf") // which it writes to
	if err := os.WriteFile(config, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return launch(t, []string{config, "--sentinel"})
}

// launch makes a directory that is not t.TempDir, whose clean-up fails the test
// where a child of the server still writes there (cleanUp).
func launch(t testing.TB, args []string) *Server {
	t.Helper()
	binary := required.Program(t, "redis", "redis-server", "redis-server")
	// Each server has one to itself: two that share it would load each other's
	// data.
	dir, err := os.MkdirTemp("", "redis-server-")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Addr: FreeAddr(t), t: t, binary: binary, dir: dir, args: args, ended: make(chan struct{})}
	// Before start, which may fail the test and has then a process to end.
	t.Cleanup(s.cleanUp)
	s.start()
	return s
}

// cleanUp ends the server without asking, whether it runs, hangs or was paused:
// SIGKILL ends a stopped process, too.
func (s *Server) cleanUp() {
	if s.cmd != nil {
		s.end(syscall.SIGKILL)
	}
	// A child that was writing to the disk may live a moment longer.
	deadline := time.Now().Add(patience)
	for os.RemoveAll(s.dir) != nil && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
}

// FreeAddr is an address of the loopback interface on which nothing listens.
// Another process may take it in between; the server then says so at its start.
func FreeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("no free port: %v", err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start has it listen on loopback only, and on no port but its own: nothing
// outside of this machine reaches a server without a password.
func (s *Server) start() {
	s.t.Helper()
	_, port, _ := net.SplitHostPort(s.Addr)
	args := append(slices.Clone(s.args),
		// After the caller's arguments, so that none of them can put the server
		// elsewhere.
		"--port", port, "--bind", "127.0.0.1", "--dir", s.dir, "--logfile", filepath.Join(s.dir, "log"), "--daemonize", "no")
	cmd := exec.Command(s.binary, args...)
	cmd.SysProcAttr = endWithParent()
	if err := cmd.Start(); err != nil {
		s.t.Fatalf("redis-server: %v", err)
	}
	s.cmd = cmd
	s.ended = make(chan struct{})
	// The one who waits for the process. The channel is passed, since the field
	// is another's after a Restart.
	go func(ended chan struct{}) {
		cmd.Wait() // its exit status tells nothing: it is killed, as a rule
		close(ended)
	}(s.ended)
	s.awaitReady()
}

// awaitReady returns when the server answers. A server that has ended is not
// waited for any longer, and its log says why.
func (s *Server) awaitReady() {
	s.t.Helper()
	deadline := time.Now().Add(patience)
	for !s.ready() {
		select {
		case <-s.ended:
			s.t.Fatalf("redis-server has ended at once:\n%s", s.log())
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("redis-server is not ready:\n%s", s.log())
		}
	}
}

// ready speaks the protocol by hand, so that this package needs no client and
// no nested module's dependency. A server with a password is ready when it asks
// for that.
func (s *Server) ready() bool {
	// A dial that succeeds proves little: the port is open before the server
	// has read its data.
	conn, err := net.DialTimeout("tcp", s.Addr, time.Second)
	if err != nil {
		return false
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return false
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	return err == nil && (strings.HasPrefix(line, "+PONG") || strings.HasPrefix(line, "-NOAUTH"))
}

// log is for the message of a failure: the directory is gone when somebody
// could look.
func (s *Server) log() string {
	text, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Stop ends the server the way a service manager does: what is to be kept gets
// to the disk.
func (s *Server) Stop() { s.end(syscall.SIGTERM) }

// Kill ends it as the loss of power does.
func (s *Server) Kill() { s.end(syscall.SIGKILL) }

// A server that has ended already is no error: a test may kill it twice.
func (s *Server) end(signal syscall.Signal) {
	s.t.Helper()
	select {
	case <-s.ended:
		return
	default:
	}
	// To a stopped server SIGTERM waits until it is resumed, and SIGKILL does
	// not.
	s.signal(signal)
	select {
	case <-s.ended:
	// Errorf and not Fatalf: it is called from a clean-up, which has more to
	// do.
	case <-time.After(patience):
		s.t.Errorf("redis-server does not end:\n%s", s.log())
	}
}

// Restart starts the server again, on the same port and directory. It has to
// have ended: two servers on one port are none. What it kept on disk it has
// again.
func (s *Server) Restart() {
	s.t.Helper()
	s.start()
}

// Pause makes the server hang: it accepts connections and answers nothing. For
// a client that is what a hung machine or a lost packet looks like, and the
// worst of all: no error comes.
func (s *Server) Pause() { s.signal(syscall.SIGSTOP) }

// Resume ends a Pause.
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

// signal goes to the one process that was started here, by its handle.
func (s *Server) signal(signal syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(signal); err != nil {
		s.t.Errorf("redis-server: %v", err)
	}
}
