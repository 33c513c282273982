//go:build unix

package nginx_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"text/template"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/internal/required"
)

// patience bounds everything that should happen soon on a busy machine.
const patience = 20 * time.Second

// appHost is where the browser finds the app: on the port that https has by
// default, so that Origin and Host name it without one.
const appHost = "app.example"

// app8080 is where an app listens in configurations, until a test knows better.
const app8080 = "http://127.0.0.1:8080"

// bare is all that nginx needs to know of an app.
const bare = "location / { proxy_pass " + app8080 + "; }"

// with is bare and more.
func with(directives string) string {
	return "location / { proxy_pass " + app8080 + "; " + directives + " }"
}

// configuration is the http block of Debian's nginx.conf, paths aside, and one
// server. It names no buffer: nginx has its defaults.
var configuration = template.Must(template.New("nginx.conf").Parse(`
{{if .Root}}user root root; # the directory of the test is closed to others{{end}}
worker_processes 1;
daemon off;
pid {{.Dir}}/pid;
events { worker_connections 768; }
http {
	sendfile on;
	tcp_nopush on;
	default_type application/octet-stream;
	gzip on;
	access_log off;
	client_body_temp_path {{.Dir}}/body;
	proxy_temp_path {{.Dir}}/proxy;
	fastcgi_temp_path {{.Dir}}/fastcgi;
	uwsgi_temp_path {{.Dir}}/uwsgi;
	scgi_temp_path {{.Dir}}/scgi;
	server {
		listen {{.Addr}} ssl http2;
		server_name ` + appHost + `;
		ssl_certificate {{.Dir}}/cert.pem;
		ssl_certificate_key {{.Dir}}/key.pem;
		{{.Locations}}
	}
}
`))

// proxy is one nginx.
type proxy struct {
	addr  string
	roots *x509.CertPool
	log   string // the path of its error log
}

// errors is what it complained of.
func (p *proxy) errors(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(p.log)
	require.NoError(t, err)
	return string(text)
}

// newProxy starts an nginx with these locations before the app, until the test
// ends.
func newProxy(t *testing.T, app, locations string) *proxy {
	t.Helper()
	binary := required.Program(t, "nginx", "nginx-light", "nginx", "/usr/sbin/nginx")
	dir := t.TempDir()
	p := &proxy{addr: freeAddr(t), roots: writeCertificate(t, dir), log: filepath.Join(dir, "error.log")}

	var config bytes.Buffer
	require.NoError(t, configuration.Execute(&config, map[string]any{
		"Root": os.Geteuid() == 0, "Dir": dir, "Addr": p.addr, "Locations": strings.ReplaceAll(locations, app8080, app),
	}))
	file := filepath.Join(dir, "nginx.conf")
	require.NoError(t, os.WriteFile(file, config.Bytes(), 0o600))

	cmd := exec.Command(binary, "-p", dir, "-e", p.log, "-c", file)
	cmd.SysProcAttr = endWithParent()
	require.NoError(t, cmd.Start())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		cmd.Wait() // its exit status tells nothing: it is ended by a signal
	}()
	t.Cleanup(func() {
		// The master ends its worker by itself.
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Errorf("nginx: %v\n%s", err, p.errors(t))
		}
		select {
		case <-ended:
		case <-time.After(patience):
			t.Errorf("nginx does not end")
		}
	})
	p.awaitReady(t, ended)
	return p
}

func (p *proxy) awaitReady(t *testing.T, ended <-chan struct{}) {
	t.Helper()
	require.Eventually(t, func() bool {
		select {
		case <-ended:
			require.FailNow(t, "nginx has ended at once", p.errors(t))
		default:
		}
		conn, err := tls.Dial("tcp", p.addr, &tls.Config{RootCAs: p.roots, ServerName: appHost})
		if err != nil {
			return false
		}
		return conn.Close() == nil
	}, patience, 10*time.Millisecond, "nginx is not ready")
}

// writeCertificate puts a certificate for the app's host and its key into dir,
// and returns the roots of a browser that trusts it.
func writeCertificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	self := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: appHost}, DNSNames: []string{appHost},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, self, self, key.Public(), key)
	require.NoError(t, err)
	keyBytes, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	require.NoError(t, os.WriteFile(filepath.Join(dir, "cert.pem"), certificate, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "key.pem"),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyBytes}), 0o600))
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(certificate))
	return roots
}

// freeAddr is an address of the loopback interface on which nothing listens.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}
