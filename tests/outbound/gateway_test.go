package outbound

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

func TestAGatewayDropsACookieOfOurNameAndPassesTheOthers(t *testing.T) {
	const name = "__Host-ecgrid"
	drops := []string{
		name + "=another; Path=/; Secure",
		name + "=; Path=/; Max-Age=0; Secure",
		" \t" + name + " = another ; Path=/; Secure",
		"=" + name + "=another; Path=/",
		name + "=another",
	}
	passes := []string{
		"app=1; Path=/", name + "2=1; Path=/", "x" + name + "=1", "app=" + name + "=1", "__host-ecgrid=1", "app=1; x=" + name,
	}
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		upstream, err := url.Parse(s.Grid.URL)
		require.NoError(t, err)
		s.Mux.Handle("/v2/", &httputil.ReverseProxy{
			Rewrite:   func(pr *httputil.ProxyRequest) { pr.SetURL(upstream) },
			Transport: s.Middleware.Transport(nil),
		})
		before := b.Cookie().Value
		s.Grid.Inject(ecgridtest.Fault{Path: site.InboxCall, Header: http.Header{"Set-Cookie": append(drops, passes...)}})
		got := b.Do(http.MethodPost, site.InboxCall, strings.NewReader("{}"))
		assert.Equal(t, http.StatusOK, got.StatusCode)
		assert.ElementsMatch(t, passes, got.Header["Set-Cookie"])
		assert.Equal(t, before, b.Cookie().Value)
		assert.True(t, b.SignedIn())
	})
}

// The base may hand out one header for several answers.
func TestTheHeaderOfTheBaseIsLeftAsItIs(t *testing.T) {
	header := http.Header{"set-cookie": {"__Host-ecgrid=x", "app=1"}, "Other": {"1"}}
	s := site.New(t)
	wire := &site.RecordingTransport{Answer: func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Header: header, Body: http.NoBody}, nil
	}}
	ctx := s.Middleware.WithCredential(t.Context(), ecgridsession.Credential{Token: "some-token"})
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Grid.URL+"/v2", nil)
	require.NoError(t, err)
	resp, err := s.Middleware.Transport(wire).RoundTrip(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, http.Header{"set-cookie": {"app=1"}, "Other": {"1"}}, resp.Header)
	assert.Equal(t, http.Header{"set-cookie": {"__Host-ecgrid=x", "app=1"}, "Other": {"1"}}, header)
}

// closer counts the calls of CloseIdleConnections.
type closer struct {
	site.RecordingTransport
	closed int
}

func (c *closer) CloseIdleConnections() { c.closed++ }

func TestClosingIdleConnectionsReachesTheBase(t *testing.T) {
	s := site.New(t)
	base := &closer{}
	(&http.Client{Transport: s.Middleware.Transport(base)}).CloseIdleConnections()
	assert.Equal(t, 1, base.closed)
	// A base that has no such method is no reason to panic.
	(&http.Client{Transport: s.Middleware.Transport(&site.RecordingTransport{})}).CloseIdleConnections()
}

// stalled is a body that gives its text and then nothing until it is closed or its request is over.
type stalled struct {
	text   io.Reader
	closed chan struct{}
	ctx    context.Context
}

func (s *stalled) Read(p []byte) (int, error) {
	if n, err := s.text.Read(p); err == nil {
		return n, nil
	}
	select {
	case <-s.closed:
	case <-s.ctx.Done():
	}
	return 0, errors.New("over")
}

func (s *stalled) Close() error {
	close(s.closed)
	return nil
}

func TestARefusalWhoseBodyStallsHoldsTheCallForABoundedTime(t *testing.T) {
	for name, header := range map[string]http.Header{
		"an envelope":   {},
		"a challenge":   {"Www-Authenticate": {`Bearer error="invalid_token"`}},
		"gzip":          {"Content-Encoding": {"gzip"}},
		"with a length": {"Content-Length": {"100"}},
	} {
		t.Run(name, func(t *testing.T) {
			eachVisitor(t, func(t *testing.T, s *site.Site, v *site.Visitor) {
				r := underWay(t, s, v)
				wire := &site.RecordingTransport{Answer: func(req *http.Request) (*http.Response, error) {
					body := &stalled{strings.NewReader(`{"success":false,`), make(chan struct{}), req.Context()}
					return &http.Response{StatusCode: http.StatusUnauthorized, Header: header, Body: body, ContentLength: -1}, nil
				}}
				req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, s.Grid.URL+"/v2", nil)
				require.NoError(t, err)
				began := time.Now()
				resp, err := s.Middleware.Transport(wire).RoundTrip(req)
				require.NoError(t, err)
				assert.Less(t, time.Since(began), 10*time.Second)
				require.NoError(t, resp.Body.Close())
				synctest.Wait() // a goroutine that is left fails the bubble
			})
		})
	}
}

func TestTheKeyIsSpelledAsECGridWantsItOnTheWire(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	lines := make(chan string, 100)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				in := bufio.NewReader(conn)
				for line, err := in.ReadString('\n'); err == nil && line != "\r\n"; line, err = in.ReadString('\n') {
					lines <- line
				}
				body := `{"success":true,"data":{"userId":4711,"login":"demo"}}`
				fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
			}()
		}
	}()
	m := site.NewMiddleware(t, ecgridsession.Config{Upstream: "http://" + listener.Addr().String(), Keys: [][]byte{site.NewKey(t)}})
	key := ecgridsession.Credential{APIKey: site.Demo.APIKey}
	_, err = m.Start(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/login", nil), key)
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(m.WithCredential(t.Context(), key), http.MethodGet, "http://"+listener.Addr().String()+"/v2", nil)
	require.NoError(t, err)
	resp, err := m.Client().Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	sent := 0
	for len(lines) > 0 {
		if line := <-lines; strings.Contains(line, site.Demo.APIKey) {
			assert.Equal(t, "X-API-Key: "+site.Demo.APIKey+"\r\n", line)
			sent++
		}
	}
	assert.Equal(t, 2, sent, "the library's own call, and the app's")
}
