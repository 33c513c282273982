package outbound

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// eachCredential runs a property for both kinds of credential, without a
// session.
func eachCredential(t *testing.T, property func(t *testing.T, c ecgridsession.Credential)) {
	t.Helper()
	t.Run("bearer", func(t *testing.T) { property(t, ecgridsession.Credential{Token: "canary-bearer-token"}) })
	t.Run("API key", func(t *testing.T) { property(t, ecgridsession.Credential{APIKey: site.Demo.APIKey}) })
}

// carries tells whether a request has a credential of either kind.
func carries(req *http.Request) bool {
	for name := range req.Header { // "X-API-Key" is spelled exactly so, which Get would not find
		if strings.EqualFold(name, "Authorization") || strings.EqualFold(name, "X-API-Key") {
			return true
		}
	}
	return false
}

func TestTheCredentialIsSentToTheUpstreamHoweverItIsSpelled(t *testing.T) {
	eachCredential(t, func(t *testing.T, c ecgridsession.Credential) {
		for name, target := range map[string]struct{ url, host string }{
			"as configured":     {url: "https://rest.ecgrid.io/v2/parcels/inbox-list"},
			"upper case":        {url: "HTTPS://REST.ECGRID.IO/v2"},
			"the default port":  {url: "https://rest.ecgrid.io:443/v2"},
			"an empty port":     {url: "https://rest.ecgrid.io:/v2"},
			"no path":           {url: "https://rest.ecgrid.io"},
			"the Host named":    {url: "https://rest.ecgrid.io/v2", host: "rest.ecgrid.io"},
			"the Host and port": {url: "https://rest.ecgrid.io/v2", host: "Rest.ECGrid.io:443"},
		} {
			t.Run(name, func(t *testing.T) {
				m, wire := site.UpstreamAt(t, "https://rest.ecgrid.io"), &site.RecordingTransport{}
				req, err := http.NewRequestWithContext(m.WithCredential(t.Context(), c), http.MethodGet, target.url, nil)
				require.NoError(t, err)
				req.Host = target.host
				resp, err := m.Transport(wire).RoundTrip(req)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				require.Len(t, wire.Sent(), 1)
				assert.True(t, carries(wire.Sent()[0]))
			})
		}
	})
}

func TestACallElsewhereIsNotSent(t *testing.T) {
	eachCredential(t, func(t *testing.T, c ecgridsession.Credential) {
		for name, target := range map[string]url.URL{
			"another host":             {Scheme: "https", Host: "evil.example"},
			"a parent domain":          {Scheme: "https", Host: "ecgrid.io"},
			"a subdomain":              {Scheme: "https", Host: "a.rest.ecgrid.io"},
			"a longer name":            {Scheme: "https", Host: "rest.ecgrid.io.evil.example"},
			"a name that ends alike":   {Scheme: "https", Host: "evilrest.ecgrid.io"},
			"another port":             {Scheme: "https", Host: "rest.ecgrid.io:8443"},
			"the port with zeros":      {Scheme: "https", Host: "rest.ecgrid.io:0443"},
			"no number for a port":     {Scheme: "https", Host: "rest.ecgrid.io:https"},
			"two ports":                {Scheme: "https", Host: "rest.ecgrid.io:443:443"},
			"plain http":               {Scheme: "http", Host: "rest.ecgrid.io"},
			"plain http on 443":        {Scheme: "http", Host: "rest.ecgrid.io:443"},
			"another scheme":           {Scheme: "wss", Host: "rest.ecgrid.io"},
			"no scheme":                {Host: "rest.ecgrid.io"},
			"a scheme that folds":      {Scheme: "http\u017f", Host: "rest.ecgrid.io"},
			"a trailing dot":           {Scheme: "https", Host: "rest.ecgrid.io."},
			"userinfo":                 {Scheme: "https", Host: "rest.ecgrid.io", User: url.User("u")},
			"userinfo within the host": {Scheme: "https", Host: "rest.ecgrid.io@evil.example"},
			"a host within userinfo":   {Scheme: "https", Host: "u@rest.ecgrid.io"},
			"a long s":                 {Scheme: "https", Host: "re\u017ft.ecgrid.io"},
			"a full-width dot":         {Scheme: "https", Host: "rest\uff0eecgrid.io"},
			"a NUL":                    {Scheme: "https", Host: "rest.ecgrid.io\x00.evil.example"},
			"its IP":                   {Scheme: "https", Host: "203.0.113.7"},
			"its IPv6":                 {Scheme: "https", Host: "[2001:db8::7]"},
			"no host":                  {Scheme: "https"},
			"an opaque URL":            {Scheme: "https", Host: "rest.ecgrid.io", Opaque: "//evil.example/v2"},
		} {
			t.Run(name, func(t *testing.T) {
				assertNotSent(t, "https://rest.ecgrid.io", c, func(req *http.Request) { req.URL = &target })
			})
		}
		t.Run("no URL", func(t *testing.T) {
			assertNotSent(t, "https://rest.ecgrid.io", c, func(req *http.Request) { req.URL = nil })
		})
	})
}

func TestACallThatNamesAnotherHostIsNotSent(t *testing.T) {
	for _, host := range []string{"evil.example", "rest.ecgrid.io:8443", "rest.ecgrid.io.", "u@rest.ecgrid.io", "re\u017ft.ecgrid.io"} {
		t.Run("Request.Host "+host, func(t *testing.T) {
			assertNotSent(t, "https://rest.ecgrid.io", ecgridsession.Credential{Token: "canary-bearer-token"},
				func(req *http.Request) { req.Host = host })
		})
		// net/http leaves out a field of the name "Host", in this spelling
		// alone.
		t.Run("header "+host, func(t *testing.T) {
			assertNotSent(t, "https://rest.ecgrid.io", ecgridsession.Credential{Token: "canary-bearer-token"},
				func(req *http.Request) { req.Header["host"] = []string{host} })
		})
	}
}

// The loopback address has several names; ECGrid has one.
func TestAnIPOfTheSameHostIsAnotherOrigin(t *testing.T) {
	c := ecgridsession.Credential{Token: "canary-bearer-token"}
	assertNotSent(t, "http://localhost:8080", c, func(req *http.Request) { req.URL.Host = "127.0.0.1:8080" })
	assertNotSent(t, "http://127.0.0.1:8080", c, func(req *http.Request) { req.URL.Host = "localhost:8080" })
	assertNotSent(t, "http://127.0.0.1:8080", c, func(req *http.Request) { req.URL.Host = "[::1]:8080" })
}

func TestTheCredentialStaysBelowTheUpstreamsPath(t *testing.T) {
	c := ecgridsession.Credential{Token: "canary-bearer-token"}
	for _, inside := range []string{"/api", "/api/", "/api/v2/parcels", "/api/a/../v2", "/api//v2", "/api/a;b=1", "/api/%2e/v2", "/x/../api/v2"} {
		t.Run(inside, func(t *testing.T) {
			m, wire := site.UpstreamAt(t, "https://gateway.example/api/"), &site.RecordingTransport{}
			req, err := http.NewRequestWithContext(m.WithCredential(t.Context(), c), http.MethodGet, "https://gateway.example"+inside, nil)
			require.NoError(t, err)
			resp, err := m.Transport(wire).RoundTrip(req)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			assert.Len(t, wire.Sent(), 1)
		})
	}
	for _, outside := range []string{
		"", "/", "/apis", "/API/v2", "/other", "/api/..", "/api/../other", "/api/v2/../../other", "/api/%2e%2e/other",
		"/api/%2E./other", "/api/..%2fother", "/api%2f..%2fother", `/api/..%5cother`, "/api/..;/other", "/api/..;a=b/other", "/api/..%3b/other",
	} {
		t.Run(outside, func(t *testing.T) {
			target, err := url.Parse("https://gateway.example" + outside)
			require.NoError(t, err)
			assertNotSent(t, "https://gateway.example/api/", c, func(req *http.Request) { req.URL = target })
		})
	}
}

// assertNotSent holds that a good request that change has been at is refused
// with ErrOtherOrigin before anything leaves.
func assertNotSent(t *testing.T, upstream string, c ecgridsession.Credential, change func(*http.Request)) {
	t.Helper()
	m, wire := site.UpstreamAt(t, upstream), &site.RecordingTransport{}
	req, err := http.NewRequestWithContext(m.WithCredential(t.Context(), c), http.MethodPost, upstream, strings.NewReader("{}"))
	require.NoError(t, err)
	change(req)
	_, err = m.Transport(wire).RoundTrip(req)
	require.ErrorIs(t, err, ecgridsession.ErrOtherOrigin)
	assert.Empty(t, wire.Sent())
}

func TestACallThatCarriesACredentialAlreadyIsNotSent(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		for _, name := range []string{"Authorization", "authorization", "AUTHORIZATION", "X-Api-Key", "X-API-Key", "x-api-key"} {
			wire := &site.RecordingTransport{}
			b.During(func(_ http.ResponseWriter, r *http.Request) {
				req := site.Outbound(t, r, http.MethodGet, s.Grid.URL, "")
				req.Header[name] = []string{"canary-of-the-caller"}
				_, err := s.Middleware.Transport(wire).RoundTrip(req)
				assert.ErrorIs(t, err, ecgridsession.ErrConflictingCredential, name)
				assert.NotContains(t, err.Error(), "canary", name)
			})
			assert.Empty(t, wire.Sent(), name)
		}
		// An empty field is one too: net/http would send it.
		wire := &site.RecordingTransport{}
		b.During(func(_ http.ResponseWriter, r *http.Request) {
			req := site.Outbound(t, r, http.MethodGet, s.Grid.URL, "")
			req.Header.Set("Authorization", "")
			_, err := s.Middleware.Transport(wire).RoundTrip(req)
			assert.ErrorIs(t, err, ecgridsession.ErrConflictingCredential)
		})
		assert.Empty(t, wire.Sent())
	})
}

func TestACallWithoutASessionIsNotSent(t *testing.T) {
	s := site.New(t)
	wire := &site.RecordingTransport{}
	call := func(_ http.ResponseWriter, r *http.Request) {
		_, err := s.Middleware.Transport(wire).RoundTrip(site.Outbound(t, r, http.MethodGet, s.Grid.URL, ""))
		assert.ErrorIs(t, err, ecgridsession.ErrNoSession)
	}
	t.Run("outside of Wrap", func(t *testing.T) {
		call(nil, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	})
	t.Run("anonymous", func(*testing.T) { s.Browser().During(call) })
	t.Run("an unreadable cookie", func(*testing.T) { s.Browser().During(call, "Cookie", "__Host-ecgrid=garbage") })
	t.Run("an empty credential", func(t *testing.T) {
		ctx := s.Middleware.WithCredential(t.Context(), ecgridsession.Credential{})
		call(nil, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
	})
	assert.Empty(t, wire.Sent())
}

func TestACallAfterTheSignOutWithinOneRequestIsNotSent(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		wire := &site.RecordingTransport{}
		b.During(func(w http.ResponseWriter, r *http.Request) {
			_, err := s.Middleware.Logout(w, r)
			assert.NoError(t, err)
			_, err = s.Middleware.Transport(wire).RoundTrip(site.Outbound(t, r, http.MethodGet, s.Grid.URL, ""))
			assert.ErrorIs(t, err, ecgridsession.ErrSessionEnded)
			assert.ErrorIs(t, err, ecgridsession.ErrNoSession)
		})
		assert.Empty(t, wire.Sent())
	})
}

func TestACancelledCallReturnsAtOnce(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		t.Run("before it is sent", func(t *testing.T) {
			wire := &site.RecordingTransport{}
			b.During(func(_ http.ResponseWriter, r *http.Request) {
				ctx, cancel := context.WithCancel(r.Context())
				cancel()
				_, err := s.Middleware.Transport(wire).RoundTrip(site.Outbound(t, r, http.MethodGet, s.Grid.URL, "").WithContext(ctx))
				assert.ErrorIs(t, err, context.Canceled)
			})
			assert.Empty(t, wire.Sent())
		})
		t.Run("while ECGrid hangs", func(t *testing.T) {
			s.Grid.Inject(hangingInbox)
			began := time.Now()
			b.During(func(_ http.ResponseWriter, r *http.Request) {
				ctx, cancel := context.WithTimeout(r.Context(), 50*time.Millisecond)
				defer cancel()
				_, err := s.Middleware.Client().Do(site.Outbound(t, r, http.MethodPost, s.Grid.URL+site.InboxCall, "{}").WithContext(ctx))
				assert.ErrorIs(t, err, context.DeadlineExceeded)
			})
			assert.Less(t, time.Since(began), 10*time.Second)
			assert.True(t, b.SignedIn(), "a call that was given up proves nothing")
		})
	})
}
