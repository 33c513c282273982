package load_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/bench/load"
)

const aSlice = 50 * time.Millisecond

// answering serves a handler and returns its address.
func answering(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func TestTheGeneratorCountsEveryRequestThatIsAnswered(t *testing.T) {
	var served atomic.Int64
	addr := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		served.Add(1)
		io.WriteString(w, "page")
	})
	all, counted, err := load.Load(addr, load.Get(addr, "/", ""), len("page"), 3, 0, aSlice)
	require.NoError(t, err)
	assert.Equal(t, served.Load(), all)
	assert.Equal(t, all, counted)
}

// With no slice after it, the one request on each connection that reaches beyond
// the lead is what is left to be counted.
func TestTheGeneratorDoesNotCountTheLead(t *testing.T) {
	const conns = 3
	addr := answering(t, func(http.ResponseWriter, *http.Request) {})
	all, counted, err := load.Load(addr, load.Get(addr, "/", ""), 0, conns, 10*aSlice, 0)
	require.NoError(t, err)
	assert.Equal(t, int64(conns), counted)
	assert.Greater(t, all, counted)
}

func TestTheGeneratorKeepsItsConnections(t *testing.T) {
	const conns = 3
	var served, peers atomic.Int64
	var known sync.Map
	addr := answering(t, func(_ http.ResponseWriter, r *http.Request) {
		served.Add(1)
		if _, again := known.LoadOrStore(r.RemoteAddr, true); !again {
			peers.Add(1)
		}
	})
	_, _, err := load.Load(addr, load.Get(addr, "/", ""), 0, conns, 0, 10*aSlice)
	require.NoError(t, err)
	assert.Equal(t, int64(conns), peers.Load())
	assert.Greater(t, served.Load(), int64(conns))
}

func TestTheGeneratorSendsTheSessionsCookieAmongSixOthers(t *testing.T) {
	var header atomic.Pointer[http.Request]
	addr := answering(t, func(_ http.ResponseWriter, r *http.Request) { header.Store(r) })
	_, _, err := load.Load(addr, load.Get(addr, "/", "__Host-ecgrid=x"), 0, 1, 0, aSlice)
	require.NoError(t, err)
	assert.Len(t, header.Load().Cookies(), 7)
	cookie, err := header.Load().Cookie("__Host-ecgrid")
	require.NoError(t, err)
	assert.Equal(t, "x", cookie.Value)
}

func TestAnyAnswerButTheRightOneIsAnError(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"a failure":          func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500); io.WriteString(w, "page") },
		"a redirect":         func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(303); io.WriteString(w, "page") },
		"a longer page":      func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "pages") },
		"no length":          func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush(); io.WriteString(w, "page") },
		"a connection's end": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			addr := answering(t, answer)
			_, _, err := load.Load(addr, load.Get(addr, "/", ""), len("page"), 2, 0, aSlice)
			assert.Error(t, err)
		})
	}
}
