package refresh

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// faultyGrid is ECGrid with faults that are drawn by lot, and that knows whose
// answer it lost.
type faultyGrid struct {
	api     *ecgridtest.API
	failing atomic.Bool

	mu      sync.Mutex
	spared  map[string]int // faults so far, by the credential of a logout
	dropped map[int64]int  // by user
	faults  map[string]int
}

func newFaultyGrid() *faultyGrid {
	return &faultyGrid{
		api: ecgridtest.NewAPI(), spared: make(map[string]int), dropped: make(map[int64]int), faults: make(map[string]int),
	}
}

// ServeHTTP implements [http.Handler].
func (g *faultyGrid) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	fault := g.draw(r)
	if fault == "" {
		g.api.ServeHTTP(w, r)
		return
	}
	call := "call"
	switch r.URL.Path {
	case site.RefreshCall:
		call = "refresh"
	case site.LogoutCall:
		call = "logout"
	}
	if fault == "delay" || fault == "drop-after" {
		g.note(fault, 1)
	} else {
		g.note(call+" "+fault, 1)
	}
	const envelope = `{"success":false,"data":null,"errorCode":%q,"message":""}`
	switch fault {
	case "delay":
		time.Sleep(rand.N(time.Second))
		g.api.ServeHTTP(w, r)
	case "503":
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintf(w, envelope, "InternalError")
	case "429":
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
		fmt.Fprintf(w, envelope, "RateLimitExceeded")
	case "gateway 401":
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, "<h1>Unauthorized</h1>")
	case "half an answer":
		w.Header().Set("Content-Length", "1000")
		fmt.Fprintf(w, envelope, "InvalidSession")
	case "hang":
		// The calls of an app, which wait longer than the library's, are cut.
		select {
		case <-r.Context().Done():
		case <-time.After(6 * time.Second):
		}
		panic(http.ErrAbortHandler)
	case "reset":
		panic(http.ErrAbortHandler)
	case "drop-after":
		got := httptest.NewRecorder()
		g.api.ServeHTTP(got, r)
		if got.Code == http.StatusOK {
			g.drop(body)
		}
		panic(http.ErrAbortHandler)
	}
}

// draw picks a fault, or "".
func (g *faultyGrid) draw(r *http.Request) string {
	if !g.failing.Load() {
		return ""
	}
	p := rand.N(1000)
	if r.URL.Path == site.LogoutCall {
		// ECGrid's documentation allows three tries of a call: those of one
		// token must not all fail.
		token := r.Header.Get("Authorization")
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.spared[token] >= 2 {
			return ""
		}
		if p < 130 {
			g.spared[token]++
		}
	}
	switch {
	case p < 40:
		return "delay"
	case p < 60:
		return "503"
	case p < 80:
		return "429"
	case p < 100:
		return "reset"
	case p < 115:
		return "gateway 401"
	case p < 125:
		return "half an answer"
	case p < 127:
		return "hang"
	case p < 130 && r.URL.Path == site.RefreshCall:
		return "drop-after"
	default:
		return ""
	}
}

func (g *faultyGrid) note(fault string, n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.faults[fault] += n
}

// drop notes whose token nobody will hear of.
func (g *faultyGrid) drop(refresh []byte) {
	var asked struct{ Token string }
	var claims struct{ Sub string }
	err := json.Unmarshal(refresh, &asked)
	if parts := strings.Split(asked.Token, "."); err == nil && len(parts) == 3 {
		var payload []byte
		if payload, err = base64.RawURLEncoding.DecodeString(parts[1]); err == nil {
			err = json.Unmarshal(payload, &claims)
		}
	}
	id, badID := strconv.ParseInt(claims.Sub, 10, 64)
	if err != nil || badID != nil {
		panic("a refresh without a token of the fake's")
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.dropped[id]++
}

func (g *faultyGrid) droppedOf(id int64) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.dropped[id]
}

func (g *faultyGrid) counts() map[string]int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return maps.Clone(g.faults)
}

// count sums the faults whose names begin with prefix.
func (g *faultyGrid) count(prefix string) (n int) {
	for name, times := range g.counts() {
		if strings.HasPrefix(name, prefix) {
			n += times
		}
	}
	return n
}
