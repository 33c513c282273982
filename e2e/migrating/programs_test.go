package migrating_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// patience bounds everything that should happen soon on a busy machine.
const patience = 30 * time.Second

// alice is the user of every program.
var alice = ecgridtest.User{ID: 1042, Login: "alice", Password: "correct horse"}

// move is one app on its way: its ECGrid and its secrets stay the same.
type move struct {
	t      *testing.T
	ecgrid *ecgridtest.Server
	secret string // of gorilla's cookies
	key    string // of ours
}

func newMove(t *testing.T) *move {
	t.Helper()
	key := make([]byte, 32)
	rand.Read(key)
	m := &move{t: t, ecgrid: ecgridtest.NewServer(t), secret: rand.Text(), key: base64.StdEncoding.EncodeToString(key)}
	m.ecgrid.AddUser(alice)
	return m
}

var (
	building sync.Mutex
	binaries = make(map[string]string)
	folder   string
)

func TestMain(m *testing.M) {
	var err error
	if folder, err = os.MkdirTemp("", "migrating"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(folder)
	os.Exit(code)
}

// binary builds a program, once.
func binary(t *testing.T, program string) string {
	t.Helper()
	building.Lock()
	defer building.Unlock()
	if binaries[program] == "" {
		out := filepath.Join(folder, strings.ReplaceAll(program, "/", "-")+".exe")
		said, err := exec.Command("go", "build", "-buildvcs=false", "-o", out, "./"+program).CombinedOutput()
		require.NoError(t, err, "%s", said)
		binaries[program] = out
	}
	return binaries[program]
}

// start runs a program until the end of the test and returns its URL. Without
// the secret it does not know gorilla's cookies.
func (m *move) start(program string, secret string) string {
	m.t.Helper()
	path := binary(m.t, program)
	for range 5 { // another may take the port in between
		if address, ok := m.try(path, secret); ok {
			return "http://" + address
		}
	}
	require.Fail(m.t, "the program does not start", program)
	return ""
}

func (m *move) try(path, secret string) (address string, ok bool) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(m.t, err)
	address = free.Addr().String()
	require.NoError(m.t, free.Close())

	var said bytes.Buffer
	cmd := exec.Command(path)
	cmd.Stderr = &said
	cmd.Env = append(os.Environ(), "ADDR="+address, "ECGRID_URL="+m.ecgrid.URL, "SESSION_KEY="+m.key, "COOKIE_SECRET="+secret)
	require.NoError(m.t, cmd.Start())
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	stop := func() { cmd.Process.Kill(); <-ended }
	m.t.Cleanup(stop)
	for began := time.Now(); time.Since(began) < patience; {
		select {
		case <-ended:
			m.t.Logf("%s: %s", path, &said)
			return "", false
		case <-time.After(10 * time.Millisecond):
		}
		if resp, err := http.Get("http://" + address + "/login"); err == nil {
			resp.Body.Close()
			return address, true
		}
	}
	stop()
	return "", false
}

// browser keeps cookies and follows no redirect.
type browser struct {
	t *testing.T
	*http.Client
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &browser{t: t, Client: &http.Client{
		Jar:           jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// answer is a response that has been read.
type answer struct {
	status   int
	location string
	body     string
}

func (b *browser) do(method, address string, form url.Values, header ...string) answer {
	b.t.Helper()
	req, err := http.NewRequest(method, address, strings.NewReader(form.Encode()))
	require.NoError(b.t, err)
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	req.Header.Set("Accept", "text/html")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := b.Do(req)
	require.NoError(b.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(b.t, err)
	return answer{resp.StatusCode, resp.Header.Get("Location"), string(body)}
}

func (b *browser) get(address string, header ...string) answer {
	b.t.Helper()
	return b.do(http.MethodGet, address, nil, header...)
}

func (b *browser) post(address string, form url.Values) answer {
	b.t.Helper()
	return b.do(http.MethodPost, address, form)
}

func (b *browser) signIn(app string) answer {
	b.t.Helper()
	return b.post(app+"/login", url.Values{"login": {alice.Login}, "password": {alice.Password}})
}

// copied is another browser with the same cookies: a thief's, or this one at an
// earlier time. Cookies know no ports, so they are those of every app here.
func (b *browser) copied() *browser {
	b.t.Helper()
	other := newBrowser(b.t)
	host := &url.URL{Scheme: "http", Host: "127.0.0.1"}
	other.Jar.SetCookies(host, b.Jar.Cookies(host))
	return other
}

// isSignedIn tells whether the app shows the inbox or asks for a sign-in.
func (b *browser) isSignedIn(app string) bool {
	b.t.Helper()
	got := b.get(app + "/")
	if got.status == http.StatusOK {
		return true
	}
	require.Equal(b.t, http.StatusSeeOther, got.status, got.body)
	require.True(b.t, strings.HasPrefix(got.location, "/login"), got.location)
	return false
}
