package site

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
)

// Gateway stands before the fake ECGrid and breaks what passes through it in
// ways that the fake itself does not.
type Gateway struct {
	t         *testing.T
	Site      *Site
	server    *httptest.Server
	elsewhere *httptest.Server // where redirects lead
	Stray     atomic.Int64     // requests that arrived there, or at a path that nobody calls

	handler     atomic.Pointer[http.HandlerFunc] // nil: the fake itself
	certificate atomic.Pointer[tls.Certificate]
	authority   *x509.CertPool
	noName      atomic.Bool // the host's name cannot be looked up
}

// ThroughGateway starts a site whose ECGrid is behind a gateway. The goroutines
// that it starts must all end with the test.
func ThroughGateway(t *testing.T, changes ...func(*ecgridsession.Config)) *Gateway {
	t.Helper()
	goroutinesEnd(t)
	g := &Gateway{t: t, authority: x509.NewCertPool()}
	good, ca := issueCertificate(t, time.Now().Add(time.Hour), "127.0.0.1")
	g.authority.AddCert(ca)
	g.certificate.Store(&good)

	g.elsewhere = httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { g.Stray.Add(1) }))
	t.Cleanup(g.elsewhere.Close)
	g.server = httptest.NewUnstartedServer(g)
	g.server.Config.ErrorLog = ErrorLog(t)
	g.server.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return &tls.Config{Certificates: []tls.Certificate{*g.certificate.Load()}}, nil
	}}
	g.server.StartTLS()
	t.Cleanup(g.server.Close)

	g.Site = New(t, With(append([]func(*ecgridsession.Config){func(cfg *ecgridsession.Config) {
		cfg.Upstream = g.server.URL
		cfg.BaseTransport = g.transport()
	}}, changes...)...))
	return g
}

// transport is as an app would set one that trusts an authority of its own.
func (g *Gateway) transport() *http.Transport {
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

// ServeHTTP implements [http.Handler].
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/elsewhere" {
		g.Stray.Add(1)
	}
	if h := g.handler.Load(); h != nil {
		io.Copy(io.Discard, r.Body)
		(*h)(w, r)
		return
	}
	g.Site.Grid.ServeHTTP(w, r)
}

func (g *Gateway) answers(h http.HandlerFunc) { g.handler.Store(&h) }

// cutConnections makes the next call dial again.
func (g *Gateway) cutConnections() { g.server.CloseClientConnections() }

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
