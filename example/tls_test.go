package main

import (
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWithACertificateTheCookieIsThatOfARealApp(t *testing.T) {
	certFile, keyFile, client := certificate(t)
	p := startProgram(t, encodedKey(1), "-addr", "127.0.0.1:0", "-tls-cert", certFile, "-tls-key", keyFile)
	assert.True(t, strings.HasPrefix(p.line, "open https://127.0.0.1:"), p.line)

	form := strings.NewReader(url.Values{"login": {demo.Login}, "password": {demo.Password}}.Encode())
	resp, err := client.Post(p.url+"/login", "application/x-www-form-urlencoded", form)
	require.NoError(t, err)
	resp.Body.Close()
	assert.Equal(t, http.StatusSeeOther, resp.StatusCode)
	assert.Equal(t, 2, resp.ProtoMajor)
	assert.Regexp(t, `^__Host-ecgrid=[\w-]+; Path=/; HttpOnly; Secure; SameSite=Lax$`, resp.Header.Get("Set-Cookie"))
	client.CloseIdleConnections()
	assert.Zero(t, p.exit(), p.output)
}

func TestACertificateThatIsNotThereEndsItWithStatus1(t *testing.T) {
	nowhere := filepath.Join(t.TempDir(), "nowhere.pem")
	p := startProgram(t, encodedKey(1), "-addr", "127.0.0.1:0", "-tls-cert", nowhere, "-tls-key", nowhere)
	assert.Equal(t, 1, <-p.status)
	assert.Contains(t, p.output.String(), "nowhere.pem")
}

// certificate writes httptest's certificate for 127.0.0.1 to files, and returns a
// client that trusts it and does not follow redirects.
func certificate(t *testing.T) (certFile, keyFile string, client *http.Client) {
	t.Helper()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	pair := server.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	require.NoError(t, err)

	write := func(name, kind string, der []byte) string {
		file := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
		return file
	}
	client = server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return write("cert.pem", "CERTIFICATE", pair.Certificate[0]), write("key.pem", "PRIVATE KEY", key), client
}
