//go:build unix

package redisledger_test

import (
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// wire passes connections on to a server and counts the round trips: how often
// the client speaks after the server has.
type wire struct {
	addr        string
	connections atomic.Int64
	trips       atomic.Int64

	mu   sync.Mutex
	said []byte // by the client
}

func newWire(t *testing.T, to string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	w := &wire{addr: l.Addr().String()}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			w.connections.Add(1)
			go w.pass(client, to)
		}
	}()
	return w
}

func (w *wire) pass(client net.Conn, to string) {
	defer client.Close()
	server, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer server.Close()
	var clientSpoke atomic.Bool
	go func() {
		defer client.Close()
		io.Copy(client, readerFunc(func(p []byte) (int, error) {
			n, err := server.Read(p)
			clientSpoke.Store(false)
			return n, err
		}))
	}()
	io.Copy(server, readerFunc(func(p []byte) (int, error) {
		n, err := client.Read(p)
		if n > 0 && !clientSpoke.Swap(true) {
			w.trips.Add(1)
		}
		w.mu.Lock()
		w.said = append(w.said, p[:n]...)
		w.mu.Unlock()
		return n, err
	}))
}

// heard is everything that clients have said, in lower case.
func (w *wire) heard() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.ToLower(string(w.said))
}

// count is how many round trips f takes.
func (w *wire) count(f func()) int {
	before := w.trips.Load()
	f()
	return int(w.trips.Load() - before)
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
