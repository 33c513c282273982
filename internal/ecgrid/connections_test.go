package ecgrid_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/internal/ecgrid"
)

func TestARedirectIsNotFollowed(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, away := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d away %v", status, away), func(t *testing.T) {
				overBoth(t, func(t *testing.T, start func(http.HandlerFunc) started) {
					var elsewhere, here atomic.Int32
					other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
						elsewhere.Add(1)
						_, _ = io.WriteString(w, grantBody("stolen"))
					}))
					defer other.Close()
					c := start(func(w http.ResponseWriter, r *http.Request) {
						here.Add(1)
						to := "/v2/auth/elsewhere"
						if away {
							to = other.URL + r.URL.Path
						}
						w.Header().Set("Location", to)
						w.WriteHeader(status)
						_, _ = io.WriteString(w, grantBody("tok"))
					})
					_, err := c.Login(within(t, soon), "ann", "password")
					e := failure(t, err)
					assert.Equal(t, "redirect not followed", e.Reason)
					assert.Equal(t, status, e.Status)
					assert.False(t, e.Retryable())
					assert.Equal(t, int32(1), here.Load())
					assert.Zero(t, elsewhere.Load())
				})
			})
		}
	}
}

func TestAHundredCallsUseOneConnection(t *testing.T) {
	overBoth(t, func(t *testing.T, start func(http.HandlerFunc) started) {
		var n, conns atomic.Int32
		c := start(func(w http.ResponseWriter, _ *http.Request) {
			switch n.Add(1) % 4 {
			case 0:
				_, _ = io.WriteString(w, sessionEnded)
			case 1:
				w.WriteHeader(401)
				_, _ = io.WriteString(w, noSession)
			case 2:
				w.WriteHeader(502)
				_, _ = io.WriteString(w, strings.Repeat("<html>", 5000))
			case 3:
				_, _ = io.WriteString(w, "not an envelope")
			}
		})
		countConns(t, c.server, &conns)
		for range 100 {
			_ = c.Logout(within(t, soon), bearer)
		}
		assert.Equal(t, int32(100), n.Load())
		assert.Equal(t, int32(1), conns.Load())
	})
}

// countConns counts connections by their remote ends, as the requests show them: the server is running already.
func countConns(t *testing.T, srv *httptest.Server, n *atomic.Int32) {
	t.Helper()
	var seen sync.Map
	h := srv.Config.Handler
	srv.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, known := seen.LoadOrStore(r.RemoteAddr, true); !known {
			n.Add(1)
		}
		h.ServeHTTP(w, r)
	})
}

func TestAPostIsNeverSentTwice(t *testing.T) {
	var requests atomic.Int32
	c := startRaw(t, func(conn net.Conn) {
		r := bufio.NewReader(conn)
		for i := 0; readRequest(r); i++ {
			requests.Add(1)
			if i > 0 {
				return // a used connection that dies under a request: the case in which net/http replays what it may
			}
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(sessionEnded), sessionEnded)
		}
	})
	require.NoError(t, c.Logout(within(t, soon), bearer))
	_, err := c.Refresh(within(t, soon), "tok", "")
	assert.True(t, failure(t, err).Retryable())
	assert.Equal(t, int32(2), requests.Load())
}

func TestParallelCallsNeverMixUsers(t *testing.T) {
	overBoth(t, func(t *testing.T, start func(http.HandlerFunc) started) {
		c := start(func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprintf(w, `{"success":true,"data":{"userId":%s}}`, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		})
		var wg sync.WaitGroup
		for id := int64(1); id <= 40; id++ {
			wg.Go(func() {
				for range 10 {
					got, err := c.Session(within(t, time.Minute), ecgrid.Auth{Bearer: fmt.Sprint(id)})
					assert.NoError(t, err)
					assert.Equal(t, id, got.UserID)
				}
			})
		}
		wg.Wait()
	})
}
