package ecgrid_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/internal/ecgrid"
)

const (
	sessionEnded = `{"success":true,"data":null,"errorCode":"","message":"Session terminated."}`
	notAllowed   = `{"success":false,"data":null,"errorCode":"AccessDenied","message":"no"}`
	noSession    = `{"success":false,"data":null,"errorCode":"InvalidSession","message":"no"}`
	noKey        = `{"success":false,"data":null,"errorCode":"InvalidAPIKey","message":"no"}`
)

var bearer = ecgrid.Auth{Bearer: "some-token"}

// soon is a deadline that only a call that hangs ever meets.
const soon = 20 * time.Second

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func failure(t *testing.T, err error) *ecgrid.Error {
	t.Helper()
	require.Error(t, err)
	var e *ecgrid.Error
	require.ErrorAs(t, err, &e)
	return e
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func base(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	require.NoError(t, err)
	return u
}

// answering is a client whose every call is given this answer, without a network.
func answering(t *testing.T, status int, body string, header ...string) *ecgrid.Client {
	t.Helper()
	h := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		h.Add(header[i], header[i+1])
	}
	rt := roundTrip(func(r *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: status, Header: h, Request: r, ContentLength: -1,
			Body: io.NopCloser(bytes.NewReader([]byte(body))),
		}, nil
	})
	return ecgrid.New(base(t, "https://rest.example"), rt, "")
}

// privateTransport is PrivateTransport for a test: it trusts roots and dies with the test.
func privateTransport(t *testing.T, roots *x509.CertPool) *http.Transport {
	t.Helper()
	rt, ok := ecgrid.PrivateTransport().(*http.Transport)
	require.True(t, ok)
	rt.Proxy = nil
	if roots != nil {
		rt.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	t.Cleanup(rt.CloseIdleConnections)
	return rt
}

// started is a loopback server and a client of it.
type started struct {
	*ecgrid.Client
	server *httptest.Server
}

// overBoth runs the test against HTTP/1.1 and HTTP/2.
func overBoth(t *testing.T, test func(t *testing.T, start func(http.HandlerFunc) started)) {
	t.Helper()
	t.Run("HTTP1", func(t *testing.T) {
		test(t, func(h http.HandlerFunc) started { return startServer(t, h, false) })
	})
	t.Run("HTTP2", func(t *testing.T) {
		test(t, func(h http.HandlerFunc) started { return startServer(t, h, true) })
	})
}

func startServer(t *testing.T, h http.HandlerFunc, http2 bool) started {
	t.Helper()
	goroutinesComeBack(t)
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	var roots *x509.CertPool
	if http2 {
		srv.EnableHTTP2 = true
		srv.StartTLS()
		roots = x509.NewCertPool()
		roots.AddCert(srv.Certificate())
	} else {
		srv.Start()
	}
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
	})
	return started{ecgrid.New(base(t, srv.URL), privateTransport(t, roots), ""), srv}
}

// startRaw serves bytes: serve has each connection for itself, and it is closed afterwards.
func startRaw(t *testing.T, serve func(net.Conn)) *ecgrid.Client {
	t.Helper()
	goroutinesComeBack(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				serve(conn)
			}()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return ecgrid.New(base(t, "http://"+l.Addr().String()), privateTransport(t, nil), "")
}

// goroutinesComeBack fails the test if, once all of it is torn down, more goroutines run than before.
func goroutinesComeBack(t *testing.T) {
	t.Helper()
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		for range 500 {
			if runtime.NumGoroutine() <= before {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Errorf("%d goroutines before, %d after", before, runtime.NumGoroutine())
	})
}

// reset closes conn so that the peer sees a reset instead of an end.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// inAnHour is an expiry as ECGrid writes it.
func inAnHour() string { return time.Now().UTC().Add(time.Hour).Format(time.RFC3339) }

func grantBody(token string) string {
	return `{"success":true,"data":{"token":"` + token + `","expiresAt":"` + inAnHour() + `","userId":7}}`
}
