package ecgrid_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/internal/ecgrid"
)

// readRequest takes one request off conn; false if there is none.
func readRequest(r *bufio.Reader) bool {
	req, err := http.ReadRequest(r)
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, req.Body)
	return err == nil
}

func assertNoAnswer(t *testing.T, err error, reason string) {
	t.Helper()
	e := failure(t, err)
	assert.Equal(t, reason, e.Reason)
	assert.Zero(t, e.Status)
	assert.True(t, e.Retryable())
	assert.False(t, e.Rejected())
	assert.NotErrorIs(t, err, context.DeadlineExceeded)
}

func TestARefusedConnectionIsNoAnswer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	c := ecgrid.New(base(t, "http://"+l.Addr().String()), privateTransport(t, nil), "")
	assertNoAnswer(t, c.Logout(within(t, soon), bearer), "connection refused")
}

func TestAFailedLookupIsNoAnswer(t *testing.T) {
	for reason, lookup := range map[string]*net.DNSError{
		"name not found":     {Err: "no such host", Name: "secret.example", IsNotFound: true},
		"name not looked up": {Err: "server misbehaving", Name: "secret.example", IsTemporary: true},
		"timed out":          {Err: "i/o timeout", Name: "secret.example", IsTimeout: true},
	} {
		rt := privateTransport(t, nil)
		rt.DialContext = func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: lookup}
		}
		c := ecgrid.New(base(t, "https://rest.example"), rt, "")
		assertNoAnswer(t, c.Logout(within(t, soon), bearer), reason)
	}
}

func TestAnUnreachableHostIsNoAnswer(t *testing.T) {
	rt := privateTransport(t, nil)
	rt.DialContext = func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.EHOSTUNREACH}
	}
	assertNoAnswer(t, ecgrid.New(base(t, "https://rest.example"), rt, "").Logout(within(t, soon), bearer), "host unreachable")
}

func TestAResetBeforeTheAnswerIsNoAnswer(t *testing.T) {
	c := startRaw(t, func(conn net.Conn) {
		readRequest(bufio.NewReader(conn))
		reset(conn)
	})
	assertNoAnswer(t, c.Logout(within(t, soon), bearer), "connection reset")
}

func TestAResetAmidTheAnswerIsNoAnswer(t *testing.T) {
	for part, reason := range map[string]string{
		"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n":                             "answer cut short", // net/http takes any end amid headers for an early end
		"HTTP/1.1 401 Unauthorized\r\nContent-Length: 1000\r\n\r\n" + noSession: "connection reset",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"suc":      "connection reset",
	} {
		c := startRaw(t, func(conn net.Conn) {
			r := bufio.NewReader(conn)
			readRequest(r)
			_, _ = io.WriteString(conn, part)
			time.Sleep(50 * time.Millisecond) // the part arrives before the reset discards what was not read
			reset(conn)
		})
		assertNoAnswer(t, c.Logout(within(t, soon), bearer), reason)
	}
}

func TestAnAnswerCutShortIsNoAnswer(t *testing.T) {
	for _, part := range []string{
		"",
		"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n",
		"HTTP/1.1 401 Unauthorized\r\nContent-Length: 1000\r\n\r\n" + noSession,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n", len(sessionEnded), sessionEnded),
	} {
		c := startRaw(t, func(conn net.Conn) {
			readRequest(bufio.NewReader(conn))
			_, _ = io.WriteString(conn, part)
		})
		assertNoAnswer(t, c.Logout(within(t, soon), bearer), "answer cut short")
	}
}

func TestAnAnswerThatIsNotHTTPIsNoAnswer(t *testing.T) {
	for _, answer := range []string{"SSH-2.0-x\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "HTTP/1.1 200 OK\r\nCut-with"} {
		c := startRaw(t, func(conn net.Conn) {
			readRequest(bufio.NewReader(conn))
			_, _ = io.WriteString(conn, answer)
		})
		assertNoAnswer(t, c.Logout(within(t, soon), bearer), "no usable answer")
	}
}

func TestAPeerThatSpeaksNoTLSIsNoAnswer(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	c := ecgrid.New(base(t, strings.Replace(srv.URL, "http:", "https:", 1)), privateTransport(t, nil), "")
	assertNoAnswer(t, c.Logout(within(t, soon), bearer), "no secure connection")
}

func TestACertificateThatIsNotTrustedIsNoAnswer(t *testing.T) {
	ca := newAuthority(t)
	for name, cert := range map[string]tls.Certificate{
		"expired":     ca.issue(t, time.Now().Add(-time.Hour), "127.0.0.1"),
		"wrong host":  ca.issue(t, time.Now().Add(time.Hour), "192.0.2.1"),
		"self-signed": newAuthority(t).self,
	} {
		t.Run(name, func(t *testing.T) {
			var calls atomic.Int32
			url := startTLS(t, cert, func(http.ResponseWriter, *http.Request) { calls.Add(1) })
			c := ecgrid.New(base(t, url), privateTransport(t, ca.pool), "")
			assertNoAnswer(t, c.Logout(within(t, soon), bearer), "certificate not trusted")
			assert.Zero(t, calls.Load())
		})
	}
	t.Run("but a good one is", func(t *testing.T) {
		url := startTLS(t, ca.issue(t, time.Now().Add(time.Hour), "127.0.0.1"),
			func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, sessionEnded) })
		c := ecgrid.New(base(t, url), privateTransport(t, ca.pool), "")
		assert.NoError(t, c.Logout(within(t, soon), bearer))
	})
}

// assertTimesOut makes the call with a short deadline, and expects it to end then and not much later.
func assertTimesOut(t *testing.T, c *ecgrid.Client) {
	t.Helper()
	start := time.Now()
	err := c.Logout(within(t, 300*time.Millisecond), bearer)
	assert.Less(t, time.Since(start), 10*time.Second)
	e := failure(t, err)
	assert.Equal(t, "timed out", e.Reason)
	assert.Zero(t, e.Status)
	assert.True(t, e.Retryable())
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.NotErrorIs(t, err, context.Canceled)
}

func TestAPeerThatNeverAnswersTimesOutAtTheDeadline(t *testing.T) {
	overBoth(t, func(t *testing.T, start func(http.HandlerFunc) started) {
		assertTimesOut(t, start(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // without it a server does not notice that the client has gone
			<-r.Context().Done()
		}).Client)
	})
}

func TestAConnectionThatIsNeverMadeTimesOutAtTheDeadline(t *testing.T) {
	rt := privateTransport(t, nil)
	rt.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	assertTimesOut(t, ecgrid.New(base(t, "https://rest.example"), rt, ""))
}

// lateTimer is a context past its deadline whose own timer has not gone off.
type lateTimer struct{ context.Context }

func (lateTimer) Deadline() (time.Time, bool) { return time.Now().Add(-time.Millisecond), true }

func TestADialThatGivesUpJustBeforeTheContextTimesOutAtTheDeadline(t *testing.T) {
	rt := roundTrip(func(*http.Request) (*http.Response, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}
	})
	err := ecgrid.New(base(t, "https://rest.example"), rt, "").Logout(lateTimer{t.Context()}, bearer)
	assert.Equal(t, "timed out", failure(t, err).Reason)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestATimeoutOfTheTransportIsNotTheContexts(t *testing.T) {
	rt := roundTrip(func(*http.Request) (*http.Response, error) { return nil, os.ErrDeadlineExceeded })
	err := ecgrid.New(base(t, "https://rest.example"), rt, "").Logout(within(t, soon), bearer)
	assertNoAnswer(t, err, "timed out")
}

func TestATLSHandshakeThatNeverEndsTimesOutAtTheDeadline(t *testing.T) {
	goroutinesComeBack(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	assertTimesOut(t, ecgrid.New(base(t, "https://"+l.Addr().String()), privateTransport(t, nil), ""))
}

func TestABodyThatDribblesTimesOutAtTheDeadline(t *testing.T) {
	for _, status := range []int{200, 401, 503} {
		overBoth(t, func(t *testing.T, start func(http.HandlerFunc) started) {
			assertTimesOut(t, start(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				w.WriteHeader(status)
				for r.Context().Err() == nil {
					_, _ = io.WriteString(w, " ")
					_ = http.NewResponseController(w).Flush()
					time.Sleep(20 * time.Millisecond)
				}
			}).Client)
		})
	}
}

func TestHeadersThatDribbleTimeOutAtTheDeadline(t *testing.T) {
	assertTimesOut(t, startRaw(t, func(conn net.Conn) {
		readRequest(bufio.NewReader(conn))
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nX: ")
		for {
			if _, err := io.WriteString(conn, "x"); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}))
}

func TestACancelledCallEndsAtOnceAndSaysSo(t *testing.T) {
	overBoth(t, func(t *testing.T, start func(http.HandlerFunc) started) {
		ctx, cancel := context.WithCancelCause(within(t, soon))
		c := start(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			cancel(fmt.Errorf("the browser hung up"))
			<-r.Context().Done()
		})
		err := c.Logout(ctx, bearer)
		assert.Equal(t, "cancelled", failure(t, err).Reason)
		require.ErrorIs(t, err, context.Canceled)
		assert.NotErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestASwitchOfProtocolsIsNotFollowedNorWaitedFor(t *testing.T) {
	c := startRaw(t, func(conn net.Conn) {
		r := bufio.NewReader(conn)
		readRequest(r)
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"+sessionEnded)
		_, _ = r.ReadByte() // until the client hangs up
	})
	// No deadline of the context governs the body of a 101: without the guard this call would never end.
	done := make(chan error, 1)
	go func() { done <- c.Logout(within(t, time.Second), bearer) }()
	select {
	case err := <-done:
		assert.Equal(t, 101, failure(t, err).Status)
	case <-time.After(soon):
		t.Fatal("still waiting")
	}
}
