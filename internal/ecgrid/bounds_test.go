package ecgrid_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/internal/ecgrid"
)

func TestABodyWithoutEndIsGivenUpAfterItsBound(t *testing.T) {
	const gigabyte = 1 << 30
	for _, declared := range []bool{true, false} {
		for _, status := range []int{200, 401, 403} {
			overBoth(t, func(t *testing.T, start func(http.HandlerFunc) started) {
				var written atomic.Int64
				c := start(func(w http.ResponseWriter, _ *http.Request) {
					if declared {
						w.Header().Set("Content-Length", fmt.Sprint(gigabyte))
					}
					w.WriteHeader(status)
					chunk := bytes.Repeat([]byte(" "), 1<<16)
					for written.Load() < gigabyte {
						n, err := w.Write(chunk)
						written.Add(int64(n))
						if err != nil {
							return
						}
					}
				})
				e := failure(t, c.Logout(within(t, soon), bearer))
				assert.Equal(t, "answer too large", e.Reason)
				assert.Equal(t, status, e.Status)
				assert.Equal(t, status != 403, e.Retryable())
				c.server.Close()
				assert.Less(t, written.Load(), int64(64<<20), "what the buffers on the way may hold")
			})
		}
	}
}

func TestAGzipBombIsNotInflated(t *testing.T) {
	var bomb bytes.Buffer
	zw := gzip.NewWriter(&bomb)
	_, err := zw.Write(make([]byte, 8<<20))
	require.NoError(t, err)
	require.NoError(t, zw.Close())

	var accepts atomic.Value
	overBoth(t, func(t *testing.T, start func(http.HandlerFunc) started) {
		c := start(func(w http.ResponseWriter, r *http.Request) {
			accepts.Store(r.Header.Get("Accept-Encoding"))
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(bomb.Bytes())
		})
		e := failure(t, c.Logout(within(t, soon), bearer))
		assert.Contains(t, []string{"answer too large", "answer is not an envelope"}, e.Reason)
		assert.Empty(t, accepts.Load(), "compression is not asked for")
	})

	// A transport of the caller's own may inflate.
	c := startServer(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(bomb.Bytes())
	}, false)
	inflating := &http.Transport{}
	defer inflating.CloseIdleConnections()
	err = ecgrid.New(base(t, c.server.URL), inflating, "").Logout(within(t, soon), bearer)
	assert.Equal(t, "answer too large", failure(t, err).Reason)
}

func TestTenMegabytesOfHeadersAreGivenUpAfterTheirBound(t *testing.T) {
	const megabytes = 10 << 20
	var written atomic.Int64
	c := startRaw(t, func(conn net.Conn) {
		readRequest(bufio.NewReader(conn))
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n")
		line := "X-Long: " + strings.Repeat("x", 1000) + "\r\n"
		for written.Load() < megabytes {
			n, err := io.WriteString(conn, line)
			written.Add(int64(n))
			if err != nil {
				return
			}
		}
		_, _ = fmt.Fprintf(conn, "Content-Length: %d\r\n\r\n%s", len(sessionEnded), sessionEnded)
	})
	err := c.Logout(within(t, soon), bearer)
	assert.Zero(t, failure(t, err).Status)
	assert.NotErrorIs(t, err, context.DeadlineExceeded)
}

func TestHeadersOver64KiBAreRefused(t *testing.T) {
	overBoth(t, func(t *testing.T, start func(http.HandlerFunc) started) {
		var n atomic.Int32
		c := start(func(w http.ResponseWriter, _ *http.Request) {
			for i := range n.Load() {
				w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("x", 1000))
			}
			_, _ = io.WriteString(w, sessionEnded)
		})
		n.Store(50)
		require.NoError(t, c.Logout(within(t, soon), bearer))
		n.Store(100)
		err := c.Logout(within(t, soon), bearer)
		assert.Zero(t, failure(t, err).Status)
		assert.NotErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestAFloodOfInformationalAnswersIsGivenUp(t *testing.T) {
	overBoth(t, func(t *testing.T, start func(http.HandlerFunc) started) {
		c := start(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Link", "</"+strings.Repeat("x", 500)+">")
			for r.Context().Err() == nil {
				w.WriteHeader(http.StatusEarlyHints)
			}
		})
		err := c.Logout(within(t, soon), bearer)
		assert.Zero(t, failure(t, err).Status)
		assert.NotErrorIs(t, err, context.DeadlineExceeded)
	})
}
