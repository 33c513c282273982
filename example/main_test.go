package main

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// program is the example as it is run from a shell.
type program struct {
	t      *testing.T
	line   string // what it printed
	url    string
	output *output // what it wrote to stderr
	stop   context.CancelFunc
	status chan int
}

func startProgram(t *testing.T, keys string, args ...string) *program {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	p := &program{t: t, output: &output{}, stop: stop, status: make(chan int, 1)}
	stdout, in := io.Pipe()
	go func() {
		p.status <- run(ctx, args, environment(keys), in, p.output)
		in.Close()
	}()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err, p.output)
	p.line = strings.TrimSuffix(line, "\n")
	p.url = strings.Fields(p.line)[1]
	t.Cleanup(stop)
	return p
}

// exit ends the program as Ctrl-C does and returns its status.
func (p *program) exit() int {
	p.t.Helper()
	p.stop()
	select {
	case status := <-p.status:
		return status
	case <-time.After(20 * time.Second):
		require.FailNow(p.t, "the program does not end")
		return -1
	}
}

func TestItSaysWhereItListensAndThenDoes(t *testing.T) {
	p := startProgram(t, "", "-addr", "localhost:0")
	assert.Regexp(t, `^open http://localhost:[1-9][0-9]* and sign in as demo / demo$`, p.line)
	resp, err := http.Get(p.url)
	require.NoError(t, err)
	resp.Body.Close()
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	assert.Zero(t, p.exit(), p.output)
}

func TestRandomKeysAreWarnedOf(t *testing.T) {
	without := startProgram(t, "", "-addr", "localhost:0")
	assert.Zero(t, without.exit())
	assert.Contains(t, without.output.String(), "level=WARN")
	assert.Contains(t, without.output.String(), keysVariable+" is not set")

	with := startProgram(t, encodedKey(1), "-addr", "localhost:0")
	assert.Zero(t, with.exit())
	assert.Empty(t, with.output.String())
}

func TestTheFakesTokensLiveAsLongAsTheFlagSays(t *testing.T) {
	p := startProgram(t, "", "-addr", "localhost:0", "-token-ttl", "90m")
	assert.Regexp(t, `>1:(29:\d\d|30:00)</time>`, newBrowser(t, p.url).signIn().get("/").body)
	assert.Zero(t, p.exit(), p.output)
}

func TestAnAddressThatIsTakenEndsItWithStatus1(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	var stderr output
	status := run(t.Context(), []string{"-addr", taken.Addr().String()}, environment(""), io.Discard, &stderr)
	assert.Equal(t, 1, status)
	assert.Contains(t, stderr.String(), "address already in use")
}

func TestARequestUnderWayIsAnsweredBeforeTheEnd(t *testing.T) {
	opts, err := parseOptions([]string{"-addr", "localhost:0"}, environment(""), io.Discard)
	require.NoError(t, err)
	a, err := newApp(opts, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	stdout, in := io.Pipe()
	served := make(chan error, 1)
	go func() { served <- a.serve(ctx, opts, in) }()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	b := newBrowser(t, strings.Fields(line)[1]).signIn()

	a.grid.Inject(ecgridtest.Fault{Path: inboxPath, Delay: time.Second})
	inbox := make(chan answer, 1)
	go func() { inbox <- b.get("/") }()
	require.Eventually(t, func() bool { return len(a.grid.Calls(inboxPath)) == 1 }, 10*time.Second, time.Millisecond)
	stop()
	assert.Contains(t, (<-inbox).body, "12 parcels")
	assert.NoError(t, <-served)
	_, err = net.Dial("tcp", strings.TrimPrefix(b.url, "http://"))
	assert.Error(t, err, "nobody listens any more")
}

func TestAnOpenStreamDoesNotHoldUpTheEnd(t *testing.T) {
	p := startProgram(t, "", "-addr", "localhost:0")
	resp, err := http.Get(p.url + "/events")
	require.NoError(t, err)
	defer resp.Body.Close()
	stream := bufio.NewReader(resp.Body)
	_, err = stream.ReadString('\n')
	require.NoError(t, err)

	assert.Zero(t, p.exit(), p.output)
	_, err = io.Copy(io.Discard, stream)
	assert.NoError(t, err, "the stream ends in an orderly way")
}

// output is what a program writes, safe to read meanwhile.
type output struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
