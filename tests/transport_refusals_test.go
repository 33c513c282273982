package tests

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
)

// eachCredential runs a property for both kinds of credential, without a
// session.
func eachCredential(t *testing.T, property func(t *testing.T, c ecgridsession.Credential)) {
	t.Helper()
	t.Run("bearer", func(t *testing.T) { property(t, ecgridsession.Credential{Token: "canary-bearer-token"}) })
	t.Run("API key", func(t *testing.T) { property(t, ecgridsession.Credential{APIKey: demo.APIKey}) })
}

// upstreamAt is a Middleware for an upstream that is never dialled.
func upstreamAt(t *testing.T, upstream string) *ecgridsession.Middleware {
	t.Helper()
	return newMiddleware(t, ecgridsession.Config{Upstream: upstream, Keys: [][]byte{randomKey(t)}})
}

// carries tells whether a request has a credential of either kind.
func carries(req *http.Request) bool {
	return req.Header.Get("Authorization") != "" || len(req.Header["X-API-Key"]) > 0
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
				m, wire := upstreamAt(t, "https://rest.ecgrid.io"), &wiretap{}
				req, err := http.NewRequestWithContext(m.WithCredential(t.Context(), c), http.MethodGet, target.url, nil)
				require.NoError(t, err)
				req.Host = target.host
				resp, err := m.Transport(wire).RoundTrip(req)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				require.Len(t, wire.sent(), 1)
				assert.True(t, carries(wire.sent()[0]))
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
			m, wire := upstreamAt(t, "https://gateway.example/api/"), &wiretap{}
			req, err := http.NewRequestWithContext(m.WithCredential(t.Context(), c), http.MethodGet, "https://gateway.example"+inside, nil)
			require.NoError(t, err)
			resp, err := m.Transport(wire).RoundTrip(req)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			assert.Len(t, wire.sent(), 1)
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
	m, wire := upstreamAt(t, upstream), &wiretap{}
	req, err := http.NewRequestWithContext(m.WithCredential(t.Context(), c), http.MethodPost, upstream, strings.NewReader("{}"))
	require.NoError(t, err)
	change(req)
	_, err = m.Transport(wire).RoundTrip(req)
	require.ErrorIs(t, err, ecgridsession.ErrOtherOrigin)
	assert.Empty(t, wire.sent())
}

func TestACallThatCarriesACredentialAlreadyIsNotSent(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		for _, name := range []string{"Authorization", "authorization", "AUTHORIZATION", "X-Api-Key", "X-API-Key", "x-api-key"} {
			wire := &wiretap{}
			b.inside(func(_ http.ResponseWriter, r *http.Request) {
				req := request(t, r, http.MethodGet, s.grid.URL, "")
				req.Header[name] = []string{"canary-of-the-caller"}
				_, err := s.m.Transport(wire).RoundTrip(req)
				assert.ErrorIs(t, err, ecgridsession.ErrConflictingCredential, name)
				assert.NotContains(t, err.Error(), "canary", name)
			})
			assert.Empty(t, wire.sent(), name)
		}
		// An empty field is one too: net/http would send it.
		wire := &wiretap{}
		b.inside(func(_ http.ResponseWriter, r *http.Request) {
			req := request(t, r, http.MethodGet, s.grid.URL, "")
			req.Header.Set("Authorization", "")
			_, err := s.m.Transport(wire).RoundTrip(req)
			assert.ErrorIs(t, err, ecgridsession.ErrConflictingCredential)
		})
		assert.Empty(t, wire.sent())
	})
}

func TestACallWithoutASessionIsNotSent(t *testing.T) {
	s := newSite(t)
	wire := &wiretap{}
	call := func(_ http.ResponseWriter, r *http.Request) {
		_, err := s.m.Transport(wire).RoundTrip(request(t, r, http.MethodGet, s.grid.URL, ""))
		assert.ErrorIs(t, err, ecgridsession.ErrNoSession)
	}
	t.Run("outside of Wrap", func(t *testing.T) {
		call(nil, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	})
	t.Run("anonymous", func(*testing.T) { s.browser().inside(call) })
	t.Run("an unreadable cookie", func(*testing.T) { s.browser().inside(call, "Cookie", "__Host-ecgrid=garbage") })
	t.Run("an empty credential", func(t *testing.T) {
		ctx := s.m.WithCredential(t.Context(), ecgridsession.Credential{})
		call(nil, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
	})
	assert.Empty(t, wire.sent())
}

func TestACallAfterTheSignOutWithinOneRequestIsNotSent(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		wire := &wiretap{}
		b.inside(func(w http.ResponseWriter, r *http.Request) {
			_, err := s.m.Logout(w, r)
			assert.NoError(t, err)
			_, err = s.m.Transport(wire).RoundTrip(request(t, r, http.MethodGet, s.grid.URL, ""))
			assert.ErrorIs(t, err, ecgridsession.ErrSessionEnded)
			assert.ErrorIs(t, err, ecgridsession.ErrNoSession)
		})
		assert.Empty(t, wire.sent())
	})
}

func TestACancelledCallReturnsAtOnce(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		t.Run("before it is sent", func(t *testing.T) {
			wire := &wiretap{}
			b.inside(func(_ http.ResponseWriter, r *http.Request) {
				ctx, cancel := context.WithCancel(r.Context())
				cancel()
				_, err := s.m.Transport(wire).RoundTrip(request(t, r, http.MethodGet, s.grid.URL, "").WithContext(ctx))
				assert.ErrorIs(t, err, context.Canceled)
			})
			assert.Empty(t, wire.sent())
		})
		t.Run("while ECGrid hangs", func(t *testing.T) {
			s.grid.Inject(hangingInbox)
			began := time.Now()
			b.inside(func(_ http.ResponseWriter, r *http.Request) {
				ctx, cancel := context.WithTimeout(r.Context(), 50*time.Millisecond)
				defer cancel()
				_, err := s.m.Client().Do(request(t, r, http.MethodPost, s.grid.URL+inboxPath, "{}").WithContext(ctx))
				assert.ErrorIs(t, err, context.DeadlineExceeded)
			})
			assert.Less(t, time.Since(began), 10*time.Second)
			assert.True(t, b.signedIn(), "a call that was given up proves nothing")
		})
	})
}
