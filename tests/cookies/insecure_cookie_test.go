package cookies

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// Without Secure the cookie, and the password before it, is anybody's to read on
// a network.
func TestWithoutASecureCookieNobodySignsInOverANetwork(t *testing.T) {
	for address, signsIn := range map[string]bool{
		"127.0.0.1":        true,
		"127.8.9.10":       true,
		"::1":              true,
		"::ffff:127.0.0.1": true,
		"192.168.1.7":      false,
		"10.0.0.1":         false,
		"203.0.113.9":      false,
		"fe80::1":          false,
		"2001:db8::1":      false,
		"0.0.0.0":          false,
	} {
		eachAddr(t, net.ParseIP(address), func(t *testing.T, local net.Addr) {
			s := site.New(t, site.With(func(cfg *ecgridsession.Config) { cfg.InsecureCookie = true }))
			arrived := context.WithValue(t.Context(), http.LocalAddrContextKey, local)

			form := url.Values{"login": {site.Demo.Login}, "password": {site.Demo.Password}}.Encode()
			w := httptest.NewRecorder()
			r := httptest.NewRequestWithContext(arrived, http.MethodPost, "/login", strings.NewReader(form))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			s.Middleware.LoginHandler().ServeHTTP(w, r)
			assert.Equal(t, signsIn, w.Code == http.StatusSeeOther)
			assert.Equal(t, signsIn, w.Header().Get("Set-Cookie") != "")

			w = httptest.NewRecorder()
			_, err := s.Middleware.Start(w, httptest.NewRequestWithContext(arrived, http.MethodPost, "/", nil), s.Grid.Issue(site.Demo.ID))
			assert.Equal(t, signsIn, err == nil)
			assert.Equal(t, signsIn, w.Header().Get("Set-Cookie") != "")
			if !signsIn {
				assert.Empty(t, s.Grid.Calls("/v2/auth/login"), "ECGrid is not even asked")
			}
		})
	}
}

// eachAddr runs a property for every kind of address that a server may have: HTTP/3 comes in over UDP.
func eachAddr(t *testing.T, ip net.IP, property func(t *testing.T, local net.Addr)) {
	t.Helper()
	for _, local := range []net.Addr{&net.TCPAddr{IP: ip, Port: 8080}, &net.UDPAddr{IP: ip, Port: 8080}, &net.IPAddr{IP: ip}} {
		t.Run(local.Network()+" "+local.String(), func(t *testing.T) { property(t, local) })
	}
}

func TestAUserSignsInOverASocketOfTheFileSystem(t *testing.T) {
	s := site.New(t, site.With(func(cfg *ecgridsession.Config) { cfg.InsecureCookie = true }))
	arrived := context.WithValue(t.Context(), http.LocalAddrContextKey, &net.UnixAddr{Name: "/run/app.sock", Net: "unix"})
	_, err := s.Middleware.Start(httptest.NewRecorder(), httptest.NewRequestWithContext(arrived, http.MethodPost, "/", nil), s.Grid.Issue(site.Demo.ID))
	assert.NoError(t, err)
}
