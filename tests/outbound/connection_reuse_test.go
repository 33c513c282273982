package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// A connection to ECGrid costs a TCP and a TLS handshake, over an ocean for many,
// while the user waits for the sign-out.

const manySignOuts = 1000

// lostToTheMachine is how many connections may be made anew: net/http drops one
// whose request it has not seen written 50 ms after the answer, as on a machine
// that has much else to do.
const lostToTheMachine = manySignOuts / 50

func TestAThousandSignOutsUseOneConnection(t *testing.T) {
	eachWire(t, func(t *testing.T, w *wire) {
		for range manySignOuts {
			w.signOut(w.signedIn())
		}
		assert.Len(t, w.grid.Calls(site.LogoutCall), manySignOuts)
		assert.LessOrEqual(t, w.dials.Load(), int64(1+lostToTheMachine), "connections")
	})
}

// The fake answers none of a wave before all of it has arrived, so over HTTP/1.1
// each sign-out of the first wave needs a connection, and no later one does.
func TestAThousandSignOutsInWavesUseTheConnectionsOfTheFirstWave(t *testing.T) {
	const wave = 50
	eachWire(t, func(t *testing.T, w *wire) {
		for range manySignOuts / wave {
			w.signOutAtOnce(wave)
		}
		assert.Len(t, w.grid.Calls(site.LogoutCall), manySignOuts)
		// Over HTTP/2 no more: until one says that it speaks it, each call begins
		// its own.
		assert.LessOrEqual(t, w.dials.Load(), int64(wave+lostToTheMachine), "connections")
	})
}

func TestSignOutsAtOnceShareAnHTTP2ConnectionThatIsThere(t *testing.T) {
	const wave = 50
	w := newWire(t, "HTTP/2.0", true)
	w.signOut(w.signedIn())
	for range manySignOuts / wave {
		w.signOutAtOnce(wave)
	}
	assert.Len(t, w.grid.Calls(site.LogoutCall), manySignOuts+1)
	assert.Equal(t, int64(1), w.dials.Load(), "connections")
}

// wire is a Middleware on its own private transport, and a fake ECGrid that
// counts the connections which are made to it.
type wire struct {
	t     *testing.T
	proto string
	grid  *ecgridtest.API
	m     *ecgridsession.Middleware
	out   http.Handler
	dials atomic.Int64
	held  atomic.Pointer[gathering] // nil: answers are not held
}

// eachWire runs a property over every protocol that ECGrid may speak.
func eachWire(t *testing.T, property func(*testing.T, *wire)) {
	t.Helper()
	for name, c := range map[string]struct {
		proto  string
		secure bool
	}{
		"HTTP/1.1 in the clear": {"HTTP/1.1", false},
		"HTTP/1.1 over TLS":     {"HTTP/1.1", true},
		"HTTP/2":                {"HTTP/2.0", true},
	} {
		t.Run(name, func(t *testing.T) { property(t, newWire(t, c.proto, c.secure)) })
	}
}

func newWire(t *testing.T, proto string, secure bool) *wire {
	t.Helper()
	w := &wire{t: t, proto: proto, grid: ecgridtest.NewAPI()}
	w.grid.AddUser(site.Demo)
	server := httptest.NewUnstartedServer(http.HandlerFunc(w.serve))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			w.dials.Add(1)
		}
	}
	if secure {
		server.EnableHTTP2 = proto == "HTTP/2.0"
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	w.m = privately(t, server, func() *ecgridsession.Middleware {
		return site.NewMiddleware(t, ecgridsession.Config{
			Upstream: server.URL, Keys: [][]byte{site.NewKey(t)}, Logger: slog.New(slog.DiscardHandler),
			// A busy machine is not what this is about.
			LogoutTimeout: time.Minute, LedgerTimeout: time.Minute,
		})
	})
	w.out = w.m.Wrap(w.m.LogoutHandler())
	return w
}

// privately lets build make a Middleware on the transport that it makes for
// itself, which takes the roots that it trusts from http.DefaultTransport.
func privately(t *testing.T, server *httptest.Server, build func() *ecgridsession.Middleware) *ecgridsession.Middleware {
	t.Helper()
	if server.Certificate() == nil {
		return build()
	}
	saved := http.DefaultTransport
	defer func() { http.DefaultTransport = saved }()
	trusting := saved.(*http.Transport).Clone()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	trusting.TLSClientConfig = &tls.Config{RootCAs: roots}
	http.DefaultTransport = trusting
	return build()
}

func (w *wire) serve(rw http.ResponseWriter, r *http.Request) {
	assert.Equal(w.t, w.proto, r.Proto)
	if held := w.held.Load(); held != nil {
		held.arrive(r.Context())
	}
	w.grid.ServeHTTP(rw, r)
}

// gathering holds up those who arrive until all are there.
type gathering struct {
	missing  atomic.Int64
	complete chan struct{}
}

func (g *gathering) arrive(ctx context.Context) {
	if g.missing.Add(-1) == 0 {
		close(g.complete)
	}
	select {
	case <-g.complete:
	case <-ctx.Done():
	}
}

// signedIn starts a session without a call to ECGrid and returns its cookie.
func (w *wire) signedIn() *http.Cookie {
	w.t.Helper()
	answer := httptest.NewRecorder()
	_, err := w.m.Start(answer, httptest.NewRequest(http.MethodPost, "/", nil), w.grid.Issue(site.Demo.ID))
	require.NoError(w.t, err)
	return answer.Result().Cookies()[0]
}

// signOutAtOnce signs n sessions out, whose calls to ECGrid are answered when all
// of them have arrived.
func (w *wire) signOutAtOnce(n int) {
	w.t.Helper()
	held := &gathering{complete: make(chan struct{})}
	held.missing.Store(int64(n))
	w.held.Store(held)
	var all sync.WaitGroup
	for range n {
		cookie := w.signedIn()
		all.Go(func() { w.signOut(cookie) })
	}
	all.Wait()
}

// signOut posts to the sign-out route, which calls ECGrid once.
func (w *wire) signOut(cookie *http.Cookie) {
	r := httptest.NewRequest(http.MethodPost, "/logout", nil)
	r.AddCookie(cookie)
	answer := httptest.NewRecorder()
	w.out.ServeHTTP(answer, r)
	assert.Equal(w.t, http.StatusSeeOther, answer.Code)
}
