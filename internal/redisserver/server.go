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

// patience is how long a server may take to start or to end.
const patience = 20 * time.Second

// Server is one redis-server.
type Server struct {
	Addr string // host:port

	t      testing.TB
	binary string
	dir    string
	args   []string
	cmd    *exec.Cmd
	ended  chan struct{}
}

// Start runs a server with further arguments of redis-server, until the test
// ends. Without any it keeps nothing on disk. Where there is no redis-server, the
// test is skipped; with "redis" in ECGRID_REQUIRE it fails.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	return launch(t, append([]string{"--save", ""}, args...))
}

// StartSentinel starts a Sentinel that watches nothing yet.
func StartSentinel(t testing.TB) *Server {
	t.Helper()
	config := filepath.Join(t.TempDir(), "sentinel.conf") // which it writes to
	if err := os.WriteFile(config, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return launch(t, []string{config, "--sentinel"})
}

func launch(t testing.TB, args []string) *Server {
	t.Helper()
	binary := required.Program(t, "redis", "redis-server", "redis-server")
	dir, err := os.MkdirTemp("", "redis-server-")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Addr: FreeAddr(t), t: t, binary: binary, dir: dir, args: args, ended: make(chan struct{})}
	t.Cleanup(s.cleanUp)
	s.start()
	return s
}

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
func FreeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("no free port: %v", err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (s *Server) start() {
	s.t.Helper()
	_, port, _ := net.SplitHostPort(s.Addr)
	args := append(slices.Clone(s.args),
		"--port", port, "--bind", "127.0.0.1", "--dir", s.dir, "--logfile", filepath.Join(s.dir, "log"), "--daemonize", "no")
	cmd := exec.Command(s.binary, args...)
	cmd.SysProcAttr = endWithParent()
	if err := cmd.Start(); err != nil {
		s.t.Fatalf("redis-server: %v", err)
	}
	s.cmd = cmd
	s.ended = make(chan struct{})
	go func(ended chan struct{}) {
		cmd.Wait() // its exit status tells nothing: it is killed, as a rule
		close(ended)
	}(s.ended)
	s.awaitReady()
}

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

func (s *Server) ready() bool {
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

func (s *Server) end(signal syscall.Signal) {
	s.t.Helper()
	select {
	case <-s.ended:
		return
	default:
	}
	s.signal(signal)
	select {
	case <-s.ended:
	case <-time.After(patience):
		s.t.Errorf("redis-server does not end:\n%s", s.log())
	}
}

// Restart starts the server again, on the same port and directory.
func (s *Server) Restart() {
	s.t.Helper()
	s.start()
}

// Pause makes the server hang: it accepts connections and answers nothing.
func (s *Server) Pause() { s.signal(syscall.SIGSTOP) }

// Resume ends a Pause.
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(signal syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(signal); err != nil {
		s.t.Errorf("redis-server: %v", err)
	}
}
