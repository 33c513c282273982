package site

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// Deletion is the one line that deletes the session cookie, to the letter.
const Deletion = "__Host-ecgrid=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax"

// Protocols are the browsers of both versions of HTTP.
var Protocols = map[string]func(*Site) *Browser{"HTTP/1.1": (*Site).HTTP1, "HTTP/2": (*Site).Browser}

// SignInKinds sign a browser in by either kind of credential.
var SignInKinds = map[string]func(*Browser) *Browser{"bearer": (*Browser).SignIn, "API key": (*Browser).SignInByKey}

// EachWay runs a property for both kinds of credential over both versions of
// HTTP, with a browser that is signed in.
func EachWay(t *testing.T, property func(t *testing.T, s *Site, b *Browser), options ...Option) {
	t.Helper()
	for protocol, open := range Protocols {
		for kind, signIn := range SignInKinds {
			t.Run(kind+" over "+protocol, func(t *testing.T) {
				s := New(t, options...)
				property(t, s, signIn(open(s)))
			})
		}
	}
}

// Headers as browsers send them.
var (
	Click = []string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-User", "?1",
		"Accept", "text/html,application/xhtml+xml"}
	FetchCall = []string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Accept", "*/*"}
	CrossSite = []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Accept", "text/html"}
)

// GridOverTLS is a change of a site's Config: its ECGrid speaks HTTP/2 over TLS.
// The Transport is the one to reach it by.
func GridOverTLS(t *testing.T, api *ecgridtest.API) (change func(*ecgridsession.Config), url string, transport http.RoundTripper) {
	t.Helper()
	server := httptest.NewUnstartedServer(api)
	server.EnableHTTP2 = true
	server.Config.ErrorLog = ErrorLog(t)
	server.StartTLS()
	t.Cleanup(server.Close)
	transport = server.Client().Transport
	return func(cfg *ecgridsession.Config) {
		cfg.Upstream = server.URL
		cfg.BaseTransport = transport
	}, server.URL, transport
}

// EachUpstream runs a property for both kinds of credential with an ECGrid that
// speaks HTTP/1.1 and one that speaks HTTP/2. The browser is signed in; base
// reaches the upstream at url.
func EachUpstream(t *testing.T, property func(t *testing.T, s *Site, b *Browser, url string, base http.RoundTripper)) {
	t.Helper()
	for kind, signIn := range SignInKinds {
		t.Run(kind+", ECGrid over HTTP/1.1", func(t *testing.T) {
			s := New(t)
			property(t, s, signIn(s.Browser()), s.Grid.URL, http.DefaultTransport)
		})
		t.Run(kind+", ECGrid over HTTP/2", func(t *testing.T) {
			api := ecgridtest.NewAPI()
			api.AddUser(Demo)
			change, url, base := GridOverTLS(t, api)
			s := New(t, With(change))
			s.Grid.API = api // what the property injects and counts
			property(t, s, signIn(s.Browser()), url, base)
		})
	}
}

// OverBoth runs a property over both versions of HTTP, with a browser that is
// not signed in.
func OverBoth(t *testing.T, property func(t *testing.T, s *Site, b *Browser), changes ...func(*ecgridsession.Config)) {
	t.Helper()
	for protocol, open := range Protocols {
		t.Run(protocol, func(t *testing.T) {
			s := New(t, With(changes...))
			property(t, s, open(s))
		})
	}
}
