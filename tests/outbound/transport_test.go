package outbound

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

var hangingInbox = ecgridtest.Fault{Path: site.InboxCall, Hang: true}

func TestACallCarriesOneCredentialAndNoCookieOfOurs(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		wire := &site.RecordingTransport{}
		b.During(func(_ http.ResponseWriter, r *http.Request) {
			c, err := s.Middleware.Credential(r.Context())
			require.NoError(t, err)
			resp, err := s.Middleware.Transport(wire).RoundTrip(site.Outbound(t, r, http.MethodPost, s.Grid.URL+site.InboxCall, "{}"))
			require.NoError(t, err)
			assert.NoError(t, resp.Body.Close())

			require.Len(t, wire.Sent(), 1)
			want := http.Header{}
			if c.Token != "" {
				want.Set("Authorization", "Bearer "+c.Token)
			} else {
				want["X-API-Key"] = []string{site.Demo.APIKey} // as it is spelled on the wire
			}
			assert.Equal(t, want, wire.Sent()[0].Header)
			assert.Equal(t, []string{"{}"}, wire.Bodies)
		})
	})
}

func TestTheCallersRequestIsLeftAsItIs(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		b.During(func(_ http.ResponseWriter, r *http.Request) {
			req := site.Outbound(t, r, http.MethodPost, s.Grid.URL+site.InboxCall, "{}")
			req.Header.Set("Cookie", "a=1; __Host-ecgrid=ours; b=2")
			req.Header.Set("Accept", "application/json")
			before := *req
			header, target := req.Header.Clone(), *req.URL
			resp, err := s.Middleware.Transport(&site.RecordingTransport{}).RoundTrip(req)
			require.NoError(t, err)
			assert.NoError(t, resp.Body.Close())
			assert.Equal(t, header, req.Header)
			assert.Equal(t, target, *req.URL)
			assert.Same(t, before.URL, req.URL)
			assert.Equal(t, before.Host, req.Host)
			assert.Equal(t, before.Body, req.Body)
			assert.Equal(t, r.Context(), req.Context())
		})
		b.During(func(_ http.ResponseWriter, r *http.Request) {
			req := site.Outbound(t, r, http.MethodGet, s.Grid.URL, "")
			req.Header = nil
			resp, err := s.Middleware.Transport(&site.RecordingTransport{}).RoundTrip(req)
			require.NoError(t, err)
			assert.NoError(t, resp.Body.Close())
			assert.Nil(t, req.Header)
		})
	})
}

// An app that dumps an answer, or sends its request once more by another
// client, must not have the credential in hand.
func TestTheAnswersRequestIsTheCallersOwn(t *testing.T) {
	site.EachUpstream(t, func(t *testing.T, s *site.Site, b *site.Browser, url string, base http.RoundTripper) {
		b.During(func(_ http.ResponseWriter, r *http.Request) {
			client := &http.Client{Transport: s.Middleware.Transport(base)}
			for _, status := range []int{http.StatusOK, http.StatusForbidden} {
				s.Grid.Inject(ecgridtest.Fault{Path: site.InboxCall, Times: 1, Status: status, Body: "{}"})
				resp, err := client.Do(site.Outbound(t, r, http.MethodPost, url+site.InboxCall, "{}"))
				require.NoError(t, err)
				assert.NoError(t, resp.Body.Close())
				assert.Equal(t, site.InboxCall, resp.Request.URL.Path)
				assert.False(t, carries(resp.Request))
			}
		})
	})
}

func TestTheBodyIsClosedOnEveryPath(t *testing.T) {
	broken := &site.RecordingTransport{Answer: func(*http.Request) (*http.Response, error) { return nil, errors.New("broken") }}
	for name, c := range map[string]struct {
		base   http.RoundTripper
		change func(*http.Request)
	}{
		"sent":                    {http.DefaultTransport, func(*http.Request) {}},
		"refused by the upstream": {http.DefaultTransport, func(req *http.Request) { req.URL.Path = "/no/such/path" }},
		"broken on the way":       {broken, func(*http.Request) {}},
		"elsewhere":               {&site.RecordingTransport{}, func(req *http.Request) { req.URL.Host = "evil.example" }},
		"another Host":            {&site.RecordingTransport{}, func(req *http.Request) { req.Host = "evil.example" }},
		"a credential of its own": {&site.RecordingTransport{}, func(req *http.Request) { req.Header.Set("Authorization", "Basic x") }},
		"no session":              {&site.RecordingTransport{}, func(req *http.Request) { *req = *req.WithContext(t.Context()) }},
	} {
		t.Run(name, func(t *testing.T) {
			site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
				body := &site.ClosingBody{Reader: strings.NewReader("{}")}
				b.During(func(_ http.ResponseWriter, r *http.Request) {
					req := site.Outbound(t, r, http.MethodPost, s.Grid.URL+site.InboxCall, "")
					req.Body, req.ContentLength = body, 2
					c.change(req)
					resp, err := s.Middleware.Transport(c.base).RoundTrip(req)
					if err == nil {
						assert.NoError(t, resp.Body.Close())
					}
				})
				assert.Eventually(t, body.Closed.Load, site.Patience, site.Tick)
			})
		})
	}
}

func TestEveryAnswerComesBackWhole(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 8<<10) // 128 KiB
	site.EachUpstream(t, func(t *testing.T, s *site.Site, b *site.Browser, url string, base http.RoundTripper) {
		for _, status := range []int{200, 201, 400, 401, 403, 404, 409, 429, 500, 503} {
			for name, body := range map[string]string{"short": "not an envelope", "long": long} {
				t.Run(fmt.Sprintf("%d, %s", status, name), func(t *testing.T) {
					s.Grid.Inject(ecgridtest.Fault{Path: site.InboxCall, Times: 1, Status: status, Body: body,
						Header: http.Header{"Retry-After": {"7"}, "X-Two": {"a", "b"}}})
					b.During(func(_ http.ResponseWriter, r *http.Request) {
						resp, err := s.Middleware.Transport(base).RoundTrip(site.Outbound(t, r, http.MethodPost, url+site.InboxCall, "{}"))
						require.NoError(t, err)
						got, err := io.ReadAll(resp.Body)
						assert.NoError(t, err)
						assert.NoError(t, resp.Body.Close())
						assert.Equal(t, status, resp.StatusCode)
						assert.True(t, body == string(got), "%d of %d bytes", len(got), len(body))
						assert.Equal(t, "7", resp.Header.Get("Retry-After"))
						assert.Equal(t, []string{"a", "b"}, resp.Header["X-Two"])
					})
				})
			}
		}
	})
}

func TestOurCookieIsDroppedAndOthersStay(t *testing.T) {
	for name, c := range map[string]struct{ before, after http.Header }{
		"alone":            {http.Header{"Cookie": {"__Host-ecgrid=v"}}, http.Header{}},
		"first":            {http.Header{"Cookie": {"__Host-ecgrid=v; a=1"}}, http.Header{"Cookie": {"a=1"}}},
		"last":             {http.Header{"Cookie": {"a=1; __Host-ecgrid=v"}}, http.Header{"Cookie": {"a=1"}}},
		"amid, unspaced":   {http.Header{"Cookie": {"a=1;__Host-ecgrid=v;b=2"}}, http.Header{"Cookie": {"a=1; b=2"}}},
		"with a tab":       {http.Header{"Cookie": {"a=1;\t__Host-ecgrid=v"}}, http.Header{"Cookie": {"a=1"}}},
		"twice":            {http.Header{"Cookie": {"__Host-ecgrid=v; __Host-ecgrid=w"}}, http.Header{}},
		"on another line":  {http.Header{"Cookie": {"a=1", "__Host-ecgrid=v", "b=2"}}, http.Header{"Cookie": {"a=1", "b=2"}}},
		"in small letters": {http.Header{"cookie": {"__Host-ecgrid=v; a=1"}}, http.Header{"cookie": {"a=1"}}},
		"not there":        {http.Header{"Cookie": {"a=1; b=\"2\"; c"}}, http.Header{"Cookie": {"a=1; b=\"2\"; c"}}},
		"a longer name":    {http.Header{"Cookie": {"x__Host-ecgrid=v; __Host-ecgrid2=w"}}, http.Header{"Cookie": {"x__Host-ecgrid=v; __Host-ecgrid2=w"}}},
		"within a value":   {http.Header{"Cookie": {"a=__Host-ecgrid=v"}}, http.Header{"Cookie": {"a=__Host-ecgrid=v"}}},
	} {
		t.Run(name, func(t *testing.T) {
			m, wire := site.UpstreamAt(t, "https://rest.ecgrid.io"), &site.RecordingTransport{}
			ctx := m.WithCredential(t.Context(), ecgridsession.Credential{Token: "canary-bearer-token"})
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://rest.ecgrid.io", nil)
			require.NoError(t, err)
			req.Header = c.before.Clone()
			resp, err := m.Transport(wire).RoundTrip(req)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			sent := wire.Sent()[0].Header
			sent.Del("Authorization")
			assert.Equal(t, c.after, sent)
			assert.Equal(t, c.before, req.Header)
		})
	}
}

func TestAReverseProxyCarriesTheCredentialAndNotOurCookie(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		upstream, err := url.Parse(s.Grid.URL)
		require.NoError(t, err)
		wire := &site.RecordingTransport{Next: http.DefaultTransport}
		s.Mux.Handle("/v2/", &httputil.ReverseProxy{
			Rewrite:   func(pr *httputil.ProxyRequest) { pr.SetURL(upstream) },
			Transport: s.Middleware.Transport(wire),
		})
		for name, header := range map[string][]string{
			"as it is": nil,
			// By RFC 9110, 7.6.1, a proxy removes what Connection names: a
			// browser must not take the credential off that way.
			"Connection": {"Connection", "Authorization, X-API-Key"},
		} {
			if name == "Connection" && speaksHTTP2(s, b) {
				continue // HTTP/2 has no such field, and the client refuses it
			}
			got := b.Do(http.MethodPost, site.InboxCall, strings.NewReader("{}"), append(header, "Cookie", "app=1")...)
			assert.Equal(t, http.StatusOK, got.StatusCode, name)
			assert.Contains(t, got.Text, "parcelId", name)
		}
		require.NotEmpty(t, wire.Sent())
		for _, sent := range wire.Sent() {
			assert.True(t, carries(sent))
			assert.Equal(t, []string{"app=1"}, sent.Header["Cookie"])
			assert.Empty(t, sent.Header["Connection"])
		}
	})
}

// speaksHTTP2 tells which version a browser of the site speaks.
func speaksHTTP2(s *site.Site, b *site.Browser) bool { return b.Get("/").ProtoMajor == 2 }

func TestAReverseProxyThatKeepsTheBrowsersHostIsRefused(t *testing.T) {
	s := site.New(t)
	upstream, err := url.Parse(s.Grid.URL)
	require.NoError(t, err)
	proxy := httputil.NewSingleHostReverseProxy(upstream)
	proxy.Transport = s.Middleware.Transport(nil)
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, err error) {
		assert.ErrorIs(t, err, ecgridsession.ErrOtherOrigin)
		w.WriteHeader(http.StatusBadGateway)
	}
	s.Mux.Handle("/v2/", proxy)
	before := len(s.Grid.Calls(""))
	b := s.Browser().SignIn()
	assert.Equal(t, http.StatusBadGateway, b.Post(site.InboxCall, nil).StatusCode)
	assert.Len(t, s.Grid.Calls(""), before+1, "more than the sign-in")
}

func TestUsersOfOneClientNeverGetEachOthersCredential(t *testing.T) {
	s := site.New(t)
	other := ecgridtest.User{ID: 4712, Login: "other", Password: "another-password", APIKey: "another-api-key-0123456789"}
	s.Grid.AddUser(other)
	// A thousand connections at once would try the listener's backlog, and not
	// the client.
	few := http.DefaultTransport.(*http.Transport).Clone()
	few.MaxConnsPerHost, few.MaxIdleConnsPerHost = 32, 32
	t.Cleanup(few.CloseIdleConnections)
	client := s.Middleware.Client()
	client.Transport = s.Middleware.Transport(few)
	const path = "/v2/auth/session"
	s.Mux.HandleFunc("/whoami", func(w http.ResponseWriter, r *http.Request) {
		resp, err := client.Do(site.Outbound(t, r, http.MethodPost, s.Grid.URL+path, ""))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		io.Copy(w, resp.Body)
	})
	browsers := map[string]*site.Browser{
		`"login":"demo"`:  s.Browser().SignIn(),
		`"login":"other"`: s.Browser(),
	}
	got := browsers[`"login":"other"`].Post("/login", url.Values{"api_key": {other.APIKey}})
	require.Equal(t, http.StatusSeeOther, got.StatusCode)

	// Without a network in front, whose connections are not the subject.
	app := s.Middleware.Wrap(s.Mux)
	const perUser = 500
	var wg sync.WaitGroup
	for want, b := range browsers {
		cookie := b.Cookie()
		for range perUser {
			wg.Go(func() {
				w, r := httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/whoami", nil)
				r.AddCookie(cookie)
				app.ServeHTTP(w, r)
				assert.Equal(t, http.StatusOK, w.Code)
				assert.Contains(t, w.Body.String(), want)
			})
		}
	}
	wg.Wait()
}

func TestTheDefaultClientIsLeftAlone(t *testing.T) {
	client, transport := *http.DefaultClient, http.DefaultTransport
	header := maps.Clone(http.DefaultTransport.(*http.Transport).ProxyConnectHeader)
	s := site.New(t)
	b := s.Browser().SignIn()
	b.During(func(_ http.ResponseWriter, r *http.Request) {
		for _, rt := range []http.RoundTripper{s.Middleware.Transport(nil), s.Middleware.Transport(http.DefaultTransport), s.Middleware.Client().Transport} {
			resp, err := rt.RoundTrip(site.Outbound(t, r, http.MethodPost, s.Grid.URL+site.InboxCall, "{}"))
			require.NoError(t, err)
			assert.NoError(t, resp.Body.Close())
			assert.Equal(t, http.StatusOK, resp.StatusCode)
		}
		resp, err := http.DefaultClient.Do(site.Outbound(t, r, http.MethodPost, s.Grid.URL+site.InboxCall, "{}"))
		require.NoError(t, err)
		assert.NoError(t, resp.Body.Close())
		assert.Equal(t, http.StatusUnauthorized, resp.StatusCode, "the default client carried a credential")
	})
	assert.Equal(t, client, *http.DefaultClient)
	assert.Same(t, transport, http.DefaultTransport)
	assert.Equal(t, header, http.DefaultTransport.(*http.Transport).ProxyConnectHeader)
	assert.True(t, b.SignedIn())
}

func TestACallGoesThroughTheGivenTransport(t *testing.T) {
	s := site.New(t)
	wire := &site.RecordingTransport{}
	ctx := s.Middleware.WithCredential(t.Context(), s.Grid.Issue(site.Demo.ID))
	req := httptest.NewRequestWithContext(ctx, http.MethodPost, s.Grid.URL+site.InboxCall, nil)
	req.RequestURI = ""
	resp, err := s.Middleware.Transport(wire).RoundTrip(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Len(t, wire.Sent(), 1)
	assert.Empty(t, s.Grid.Calls(site.InboxCall))
}
