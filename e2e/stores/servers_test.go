//go:build linux

package stores_test

import (
	"bytes"
	"database/sql"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	_ "github.com/lib/pq"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/internal/redisserver"
	"github.com/ecgrid-contrib/ecgridsession/internal/required"
)

// patience is how long a server may take to start or to end.
const patience = 60 * time.Second

// run starts a server that is ended with the test, or by the function that it
// returns. As root it runs as account.
func run(t *testing.T, account *syscall.Credential, program string, args ...string) (stop func()) {
	t.Helper()
	cmd := exec.Command(program, args...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Dir = &said, &said, "/"
	// A test that is killed runs no clean-up.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Credential: account}
	require.NoError(t, cmd.Start())
	ended := make(chan struct{})
	go func() { // ends with the process
		defer close(ended)
		cmd.Wait()
	}()
	stop = func() {
		cmd.Process.Signal(syscall.SIGINT) // PostgreSQL's fast shutdown
		select {
		case <-ended:
		case <-time.After(patience):
			cmd.Process.Kill()
			<-ended
		}
	}
	t.Cleanup(func() {
		stop()
		if t.Failed() {
			t.Logf("%s: %s", program, said.String())
		}
	})
	return stop
}

// await waits until a server answers.
func await(t *testing.T, answers func() bool) {
	t.Helper()
	require.Eventually(t, answers, patience, 20*time.Millisecond)
}

// startMemcached returns the address of a memcached on loopback.
func startMemcached(t *testing.T) (addr string, stop func()) {
	t.Helper()
	program := required.Program(t, "memcached", "memcached", "memcached")
	addr = redisserver.FreeAddr(t)
	_, port, _ := net.SplitHostPort(addr)
	args := []string{"-l", "127.0.0.1", "-p", port, "-U", "0"}
	if os.Geteuid() == 0 {
		args = append(args, "-u", "nobody") // it does not run as root
	}
	stop = run(t, nil, program, args...)
	await(t, func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return addr, stop
}

// startPostgres returns the URL of a database on loopback.
func startPostgres(t *testing.T) (url string, stop func()) {
	t.Helper()
	// Debian keeps the server's programs out of PATH.
	names := []string{"initdb"}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	initdb := required.Program(t, "postgres", "postgresql", append(names, found...)...)
	initdb, err := filepath.EvalSymlinks(initdb)
	require.NoError(t, err)

	// Not t.TempDir, whose parents another account cannot pass.
	dir, err := os.MkdirTemp("", "postgres-")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	account := postgresAccount(t, dir)
	data := filepath.Join(dir, "data")
	cmd := exec.Command(initdb, "-D", data, "-U", "ecgrid", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
	cmd.SysProcAttr, cmd.Dir = &syscall.SysProcAttr{Credential: account}, "/"
	said, err := cmd.CombinedOutput()
	require.NoError(t, err, string(said))

	addr := redisserver.FreeAddr(t)
	_, port, _ := net.SplitHostPort(addr)
	stop = run(t, account, filepath.Join(filepath.Dir(initdb), "postgres"), "-D", data, "-p", port,
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off")
	url = "postgres://ecgrid@" + addr + "/postgres?sslmode=disable"
	db, err := sql.Open("postgres", url)
	require.NoError(t, err)
	defer db.Close()
	await(t, func() bool { return db.Ping() == nil })
	return url, stop
}

// postgresAccount is the account that PostgreSQL runs as, which is never root. It
// is given dir.
func postgresAccount(t *testing.T, dir string) *syscall.Credential {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	found, err := user.Lookup("postgres") // of Debian's package
	if err != nil {
		required.Lacking(t, "postgres", "there is no account postgres to run it as")
	}
	uid, err := strconv.ParseUint(found.Uid, 10, 32)
	require.NoError(t, err)
	gid, err := strconv.ParseUint(found.Gid, 10, 32)
	require.NoError(t, err)
	require.NoError(t, os.Chown(dir, int(uid), int(gid)))
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}
