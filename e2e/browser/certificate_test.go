//go:build linux

package browser_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// server is who every TLS server of these tests is.
type server struct {
	pair        tls.Certificate
	roots       *x509.CertPool
	cert, key   []byte // PEM
	fingerprint string // of the public key, as Chromium wants it
}

var identity = sync.OnceValue(func() server {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "browser tests"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		DNSNames:     []string{"example.test", "*.example.test", "evil.test"},
	}
	der := must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))
	leaf := must(x509.ParseCertificate(der))
	spki := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	s := server{
		pair:        tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf},
		roots:       x509.NewCertPool(),
		cert:        pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		key:         pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(key))}),
		fingerprint: base64.StdEncoding.EncodeToString(spki[:]),
	}
	s.roots.AddCert(leaf)
	return s
})

// files writes certificate and key to where a process can read them.
func (s server) files(t *testing.T) (cert, key string) {
	t.Helper()
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	require.NoError(t, os.WriteFile(cert, s.cert, 0o600))
	require.NoError(t, os.WriteFile(key, s.key, 0o600))
	return cert, key
}

// must is for what cannot fail.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
