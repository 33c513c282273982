//go:build linux

package browser_test

import (
	"bufio"
	"encoding/base64"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// sessionKey seals the cookies of all apps here.
var sessionKey = []byte("a key for the browser tests only")

// builtExample is the example's program.
var builtExample = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "browser-test-")
	if err != nil {
		return "", err
	}
	atTheEnd(func() error { return os.RemoveAll(dir) })
	program := filepath.Join(dir, "example")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", program, "github.com/ecgrid-contrib/ecgridsession/example")
	build.Stderr = os.Stderr
	return program, build.Run()
})

// startExample runs the example on a free port until the test ends, and returns
// where it says that it is.
func startExample(t *testing.T, flags ...string) *url.URL {
	t.Helper()
	program, err := builtExample()
	require.NoError(t, err, "the example cannot be built")

	cmd := exec.Command(program, append(flags, "-addr", "127.0.0.1:0")...)
	cmd.Env = append(os.Environ(), "ECGRID_SESSION_KEYS="+base64.StdEncoding.EncodeToString(sessionKey))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // a test that dies leaves nothing behind
	var log strings.Builder
	cmd.Stderr = &log
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())

	firstLine := make(chan string, 1)
	var reading sync.WaitGroup
	reading.Go(func() {
		out := bufio.NewReader(stdout)
		line, _ := out.ReadString('\n')
		firstLine <- line
		io.Copy(io.Discard, out)
	})
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		reading.Wait()
		err := cmd.Wait()
		if t.Failed() {
			t.Logf("the example ended with %v and said:\n%s", err, log.String())
		}
		require.NoError(t, err)
	})

	select {
	case line := <-firstLine:
		// open URL and sign in …
		words := strings.Fields(line)
		require.Greater(t, len(words), 1, "the example does not say where it is")
		where, err := url.Parse(words[1])
		require.NoError(t, err)
		return where
	case <-time.After(patience):
		require.FailNow(t, "the example does not start")
		return nil
	}
}
