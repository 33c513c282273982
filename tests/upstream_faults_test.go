package tests

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
)

// gateway stands before the fake ECGrid and breaks what passes through it in
// ways that the fake itself does not.
type gateway struct {
	t         *testing.T
	site      *site
	server    *httptest.Server
	elsewhere *httptest.Server // where redirects lead
	stray     atomic.Int64     // requests that arrived there, or at a path that nobody calls

	handler     atomic.Pointer[http.HandlerFunc] // nil: the fake itself
	certificate atomic.Pointer[tls.Certificate]
	authority   *x509.CertPool
	noName      atomic.Bool // the host's name cannot be looked up
}

// throughGateway starts a site whose ECGrid is behind a gateway. The goroutines
// that it starts must all end with the test.
func throughGateway(t *testing.T, changes ...func(*ecgridsession.Config)) *gateway {
	t.Helper()
	goroutinesEnd(t)
	g := &gateway{t: t, authority: x509.NewCertPool()}
	good, ca := issueCertificate(t, time.Now().Add(time.Hour), "127.0.0.1")
	g.authority.AddCert(ca)
	g.certificate.Store(&good)

	g.elsewhere = httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { g.stray.Add(1) }))
	t.Cleanup(g.elsewhere.Close)
	g.server = httptest.NewUnstartedServer(g)
	g.server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	g.server.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return &tls.Config{Certificates: []tls.Certificate{*g.certificate.Load()}}, nil
	}}
	g.server.StartTLS()
	t.Cleanup(g.server.Close)

	g.site = newSite(t, append([]func(*ecgridsession.Config){func(cfg *ecgridsession.Config) {
		cfg.Upstream = g.server.URL
		cfg.BaseTransport = g.transport()
	}}, changes...)...)
	return g
}

// transport is as an app would set one that trusts an authority of its own.
func (g *gateway) transport() *http.Transport {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: g.authority}
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if g.noName.Load() {
			return nil, &net.OpError{Op: "dial", Net: network, Err: &net.DNSError{Err: "no such host", Name: "canary-host.example", IsNotFound: true}}
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	g.t.Cleanup(transport.CloseIdleConnections)
	return transport
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/elsewhere" {
		g.stray.Add(1)
	}
	if h := g.handler.Load(); h != nil {
		io.Copy(io.Discard, r.Body)
		(*h)(w, r)
		return
	}
	g.site.grid.ServeHTTP(w, r)
}

func (g *gateway) answers(h http.HandlerFunc) { g.handler.Store(&h) }

// cutConnections makes the next call dial again.
func (g *gateway) cutConnections() { g.server.CloseClientConnections() }

// upstreamFault is one thing that goes wrong at ECGrid, and what must come of
// it.
type upstreamFault struct {
	install func(*gateway)
	hangs   bool // until the deadline
	logout  ecgridsession.LogoutOutcome
	signIn  int // the status of a sign-in; 0: 503
}

// deadlines are short where the fault lasts until then, and else as they are: on
// a busy machine an answer may take its time.
func (f upstreamFault) deadlines(cfg *ecgridsession.Config) {
	if f.hangs {
		cfg.LogoutTimeout, cfg.AuthTimeout = 300*time.Millisecond, 300*time.Millisecond
	}
}

const (
	pending        = ecgridsession.LogoutPending
	refused        = ecgridsession.LogoutRefused
	alreadyInvalid = ecgridsession.LogoutAlreadyInvalid
)

// noCode is an envelope that is not ECGrid's refusal of anything in particular.
const noCode = `{"success":false,"data":null,"errorCode":null,"message":"canary-message"}`

func body(status int, text string, header ...string) func(*gateway) {
	return func(g *gateway) {
		g.answers(func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(status)
			io.WriteString(w, text)
		})
	}
}

func code(errorCode string) string {
	return `{"success":false,"data":null,"errorCode":"` + errorCode + `","message":"canary-message"}`
}

// onTheWire answers by hand, over a connection that is then cut.
func onTheWire(bytes string, then func(net.Conn)) func(*gateway) {
	return func(g *gateway) {
		g.answers(func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				panic(err)
			}
			defer conn.Close()
			io.WriteString(conn, bytes)
			then(conn)
		})
	}
}

func reset(conn net.Conn) {
	conn.(*tls.Conn).NetConn().(*net.TCPConn).SetLinger(0)
	conn.(*tls.Conn).NetConn().Close()
}

// dribble sends a byte now and again until the client leaves.
func dribble(conn net.Conn) {
	for {
		if _, err := io.WriteString(conn, " "); err != nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func badCertificate(make func(t *testing.T) tls.Certificate) func(*gateway) {
	return func(g *gateway) {
		bad := make(g.t)
		g.certificate.Store(&bad)
		g.cutConnections()
	}
}

const wellDone = `{"success":true,"data":null,"errorCode":"","message":"Session terminated."}`

// upstreamFaults are the faults of hostile upstreams, by what they are.
var upstreamFaults = map[string]upstreamFault{
	"connection refused":      {install: func(g *gateway) { g.server.Listener.Close(); g.cutConnections() }, logout: pending},
	"name not found":          {install: func(g *gateway) { g.noName.Store(true); g.cutConnections() }, logout: pending},
	"reset before the answer": {install: onTheWire("", reset), logout: pending},
	"reset amid the answer":   {install: onTheWire("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"+wellDone, reset), logout: pending},
	"cut amid the answer":     {install: onTheWire("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"+wellDone, func(net.Conn) {}), logout: pending},
	"not HTTP":                {install: onTheWire("SSH-2.0-canary\r\n\r\n", func(net.Conn) {}), logout: pending},
	"certificate expired": {install: badCertificate(func(t *testing.T) tls.Certificate {
		c, _ := issueCertificate(t, time.Now().Add(-time.Hour), "127.0.0.1")
		return c
	}), logout: pending},
	"certificate of another host": {install: badCertificate(func(t *testing.T) tls.Certificate {
		c, _ := issueCertificate(t, time.Now().Add(time.Hour), "192.0.2.1")
		return c
	}), logout: pending},
	"certificate of an unknown authority": {install: badCertificate(func(t *testing.T) tls.Certificate {
		c, _ := issueCertificate(t, time.Now().Add(time.Hour), "127.0.0.1")
		return c
	}), logout: pending},

	"never answers": {install: func(g *gateway) {
		g.answers(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	}, hangs: true, logout: pending},
	"headers, then a byte now and again": {install: onTheWire("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"+wellDone, dribble), hangs: true, logout: pending},
	"a header that never ends":           {install: onTheWire("HTTP/1.1 200 OK\r\nX-Slow: ", dribble), hangs: true, logout: pending},

	"success false":               {install: body(200, noCode), logout: refused},
	"success false with a code":   {install: body(200, code("InvalidSession")), logout: refused, signIn: 401},
	"empty":                       {install: body(200, ""), logout: pending},
	"no content":                  {install: body(204, ""), logout: pending},
	"accepted":                    {install: body(202, wellDone), logout: pending},
	"HTML":                        {install: body(200, "<html>Welcome to the hotel's network</html>"), logout: pending},
	"null":                        {install: body(200, "null"), logout: pending},
	"an array":                    {install: body(200, "["+wellDone+"]"), logout: pending},
	"cut short":                   {install: body(200, wellDone[:len(wellDone)-1]), logout: pending},
	"trailing bytes":              {install: body(200, wellDone+"{}"), logout: pending},
	"success twice":               {install: body(200, `{"success":false,"success":true,"data":null}`), logout: pending},
	"success in two spellings":    {install: body(200, `{"success":false,"Success":true,"data":null}`), logout: pending},
	"success in another spelling": {install: body(200, `{"Success":true,"data":null}`), logout: pending},
	"success as text":             {install: body(200, `{"success":"true","data":null}`), logout: pending},
	"success with an error code":  {install: body(200, `{"success":true,"data":null,"errorCode":"InternalError"}`), logout: pending},
	"success of the word false":   {install: body(200, `{"success":true,"data":false}`), logout: refused},

	"401 in an envelope":    {install: unauthorized, logout: alreadyInvalid, signIn: 401},
	"401 without":           {install: body(401, "<html>canary-gateway</html>"), logout: pending},
	"401 with nothing":      {install: body(401, ""), logout: pending},
	"403":                   {install: body(403, code("AccessDenied")), logout: refused, signIn: 401},
	"403 from a gateway":    {install: body(403, "<html>canary-gateway</html>"), logout: refused},
	"404":                   {install: body(404, code("ObjectNotFound")), logout: refused, signIn: 401},
	"405":                   {install: body(405, noCode), logout: refused},
	"400":                   {install: body(400, code("InvalidParameter")), logout: refused, signIn: 401},
	"429":                   {install: body(429, code("RateLimitExceeded")), logout: pending},
	"429 in seconds":        {install: body(429, "", "Retry-After", "30"), logout: pending},
	"429 with a date":       {install: body(429, "", "Retry-After", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)), logout: pending},
	"429 with a past date":  {install: body(429, "", "Retry-After", "Mon, 02 Jan 2006 15:04:05 GMT"), logout: pending},
	"429 with a negative":   {install: body(429, "", "Retry-After", "-1"), logout: pending},
	"429 with 1e9":          {install: body(429, "", "Retry-After", "1e9"), logout: pending},
	"429 with 1000000000":   {install: body(429, "", "Retry-After", "1000000000"), logout: pending},
	"429 with 10^30":        {install: body(429, "", "Retry-After", "1"+strings.Repeat("0", 30)), logout: pending},
	"429 with garbage":      {install: body(429, "", "Retry-After", "canary-soon"), logout: pending},
	"500":                   {install: body(500, code("InternalError")), logout: pending},
	"502":                   {install: body(502, "<html>canary-gateway</html>"), logout: pending},
	"503":                   {install: body(503, noCode, "Retry-After", "30"), logout: pending},
	"504":                   {install: body(504, ""), logout: pending},
	"500 that says success": {install: body(500, wellDone), logout: pending},
	"101":                   {install: onTheWire("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"+wellDone, dribble), logout: refused},

	"301 to this host":    redirect(301, false),
	"302 to this host":    redirect(302, false),
	"303 to this host":    redirect(303, false),
	"307 to this host":    redirect(307, false),
	"308 to this host":    redirect(308, false),
	"301 to another host": redirect(301, true),
	"302 to another host": redirect(302, true),
	"303 to another host": redirect(303, true),
	"307 to another host": redirect(307, true),
	"308 to another host": redirect(308, true),

	"a gigabyte": {install: func(g *gateway) {
		g.answers(func(w http.ResponseWriter, _ *http.Request) { flood(w, wellDone, 1<<30) })
	}, logout: pending},
	"a gigabyte with its length": {install: func(g *gateway) {
		g.answers(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(1<<30))
			flood(w, wellDone, 1<<30)
		})
	}, logout: pending},
	"a gzip bomb": {install: func(g *gateway) {
		g.answers(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(bomb())
		})
	}, logout: pending},
	"10 MB of headers": {install: onTheWire("HTTP/1.1 200 OK\r\n", func(conn net.Conn) {
		flood(conn, "X-Long: "+strings.Repeat("x", 1000)+"\r\n", 10<<20)
	}), logout: pending},
	"a flood of 1xx": {install: onTheWire("", func(conn net.Conn) {
		flood(conn, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", 1<<30)
	}), hangs: true, logout: pending},
}

func unauthorized(g *gateway) {
	g.answers(func(w http.ResponseWriter, r *http.Request) {
		errorCode := "InvalidSession"
		if r.Header.Get("X-Api-Key") != "" {
			errorCode = "InvalidAPIKey"
		}
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, code(errorCode))
	})
}

func redirect(status int, away bool) upstreamFault {
	return upstreamFault{install: func(g *gateway) {
		g.answers(func(w http.ResponseWriter, r *http.Request) {
			to := "/elsewhere"
			if away {
				to = g.elsewhere.URL + r.URL.Path
			}
			w.Header().Set("Location", to)
			w.WriteHeader(status)
			io.WriteString(w, wellDone)
		})
	}, logout: refused}
}

// flood writes text over and over, up to so many bytes or until nobody takes
// them.
func flood(w io.Writer, text string, bytes int) {
	for sent := 0; sent < bytes; sent += len(text) {
		if _, err := io.WriteString(w, text); err != nil {
			return
		}
	}
}

// bomb is a few KiB that a client inflates to 16 MiB.
var bomb = sync.OnceValue(func() []byte {
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	flood(zip, strings.Repeat(" ", 1<<16), 16<<20)
	zip.Close()
	return out.Bytes()
})

// issueCertificate makes a server's certificate for an address, and the
// authority that has signed it.
func issueCertificate(t *testing.T, notAfter time.Time, address string) (server tls.Certificate, ca *x509.Certificate) {
	t.Helper()
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	ca = &x509.Certificate{
		SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	require.NoError(t, err)
	ca, err = x509.ParseCertificate(der)
	require.NoError(t, err)

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err = x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: notAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, IPAddresses: []net.IP{net.ParseIP(address)},
	}, ca, key.Public(), caKey)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, ca
}

// goroutinesEnd wants every goroutine that the test starts from here on to have
// ended when everything that it has opened is closed.
func goroutinesEnd(t *testing.T) {
	t.Helper()
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		deadline := time.Now().Add(10 * time.Second)
		for runtime.NumGoroutine() > before { // require.Eventually has goroutines of its own
			if time.Now().After(deadline) {
				stacks := make([]byte, 1<<20)
				t.Errorf("goroutines are left over:\n%s", stacks[:runtime.Stack(stacks, true)])
				return
			}
			time.Sleep(time.Millisecond)
		}
	})
}
