package requests

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/http/httputil"
	"net/textproto"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

func TestARequestWithoutOurCookieKeepsTheServersResponseWriter(t *testing.T) {
	s := site.New(t)
	w := httptest.NewRecorder()
	calls := 0
	next := http.HandlerFunc(func(got http.ResponseWriter, _ *http.Request) {
		calls++
		assert.Same(t, w, got)
	})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	s.Middleware.Wrap(next).ServeHTTP(w, r)
	r.Header.Set("Cookie", "theme=dark; other__Host-ecgrid=x")
	s.Middleware.Wrap(s.Middleware.Wrap(next)).ServeHTTP(w, r)
	assert.Equal(t, 2, calls)
}

func TestARequestWithOurCookieGetsOneResponseWriterOfOursAroundTheServers(t *testing.T) {
	s := site.New(t)
	b := s.Browser()
	ecgridtest.SignIn(t, s.Middleware, b.HTTP, s.App.URL, s.Grid.Issue(site.Demo.ID))
	w := httptest.NewRecorder()
	calls := 0
	next := http.HandlerFunc(func(got http.ResponseWriter, _ *http.Request) {
		calls++
		assert.Same(t, w, got.(interface{ Unwrap() http.ResponseWriter }).Unwrap())
	})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.AddCookie(b.Cookie())
	s.Middleware.Wrap(next).ServeHTTP(w, r)
	s.Middleware.Require(next).ServeHTTP(w, r)
	s.Middleware.Wrap(s.Middleware.Require(next)).ServeHTTP(w, r)
	assert.Equal(t, 3, calls)
}

// stream opens a GET whose answer is read while it is written.
func stream(b *site.Browser, ctx context.Context, path string) *http.Response {
	b.T.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.Site.App.URL+path, nil)
	require.NoError(b.T, err)
	resp, err := b.HTTP.Do(req)
	require.NoError(b.T, err)
	return resp
}

// behindRequire adds a route for those who are signed in.
func behindRequire(s *site.Site, path string, h http.HandlerFunc) {
	s.Mux.Handle(path, s.Middleware.Require(h))
}

func TestAFlushBeforeTheFirstWriteSendsTheHeaders(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		release := make(chan struct{})
		behindRequire(s, "/slow", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Early", "yes")
			flusher, ok := w.(http.Flusher)
			if !assert.True(t, ok) {
				return
			}
			flusher.Flush()
			<-release
			io.WriteString(w, "done")
		})
		resp := stream(b, t.Context(), "/slow") // returns with the headers
		assert.Equal(t, "yes", resp.Header.Get("X-Early"))
		assert.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
		close(release)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, "done", string(body))
	})
}

func TestEarlyHintsComeThrough(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		behindRequire(s, "/hints", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", "</app.css>; rel=preload; as=style")
			w.WriteHeader(http.StatusEarlyHints)
			w.Header().Del("Link")
			io.WriteString(w, "page")
		})
		var hints []string
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
				assert.Equal(t, http.StatusEarlyHints, code)
				hints = append(hints, header.Get("Link"))
				return nil
			},
		})
		got, err := b.Try(ctx, http.MethodGet, "/hints", nil)
		require.NoError(t, err)
		assert.Equal(t, []string{"</app.css>; rel=preload; as=style"}, hints)
		assert.Equal(t, http.StatusOK, got.StatusCode)
		assert.Equal(t, "page", got.Text)
		assert.Empty(t, got.Header.Get("Link"))
	})
}

func TestAResponseControllerControls(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		got := b.During(func(w http.ResponseWriter, r *http.Request) {
			c := http.NewResponseController(w)
			assert.NoError(t, c.SetReadDeadline(time.Now().Add(time.Minute)))
			assert.NoError(t, c.SetWriteDeadline(time.Now().Add(time.Minute)))
			assert.NoError(t, c.EnableFullDuplex())
			assert.NoError(t, c.Flush())
			if r.ProtoMajor == 1 {
				_, isHijacker := w.(http.Hijacker)
				assert.True(t, isHijacker)
			}
			io.WriteString(w, "done")
		})
		assert.Equal(t, "done", got.Text)
	})
}

func TestServerSentEventsArriveWhileTheStreamIsOpen(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		heard := make(chan struct{})
		behindRequire(s, "/events", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			for _, word := range []string{"one", "two", "three"} {
				io.WriteString(w, "data: "+word+"\n\n")
				assert.NoError(t, http.NewResponseController(w).Flush())
				select {
				case <-heard: // the next only when this one has arrived
				case <-r.Context().Done():
					return
				}
			}
		})
		resp := stream(b, t.Context(), "/events")
		lines := bufio.NewScanner(resp.Body)
		for _, word := range []string{"one", "two", "three"} {
			require.True(t, lines.Scan())
			assert.Equal(t, "data: "+word, lines.Text())
			require.True(t, lines.Scan())
			heard <- struct{}{}
		}
		assert.False(t, lines.Scan())
		require.NoError(t, lines.Err())
		require.NoError(t, resp.Body.Close())
	})
}

func TestABrowserThatLeavesEndsTheHandlersContext(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		left := make(chan error, 1)
		behindRequire(s, "/events", func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush() // the browser may leave before it returns
			<-r.Context().Done()
			left <- r.Context().Err()
		})
		ctx, cancel := context.WithCancel(t.Context())
		resp := stream(b, ctx, "/events")
		cancel()
		assert.ErrorIs(t, <-left, context.Canceled)
		_ = resp.Body.Close() // of a request that was cancelled: its error is the cancellation
	})
}

func TestAFileIsSentByReadFrom(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	content := strings.Repeat("0123456789abcdef", 64<<10) // 1 MiB
	require.NoError(t, os.WriteFile(name, []byte(content), 0o600))
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		got := b.During(func(w http.ResponseWriter, r *http.Request) {
			f, err := os.Open(name)
			require.NoError(t, err)
			defer f.Close()
			_, takes := w.(io.ReaderFrom)
			assert.Equal(t, r.ProtoMajor == 1, takes, "as net/http has it")
			n, err := io.Copy(w, f)
			assert.NoError(t, err)
			assert.EqualValues(t, len(content), n)
		})
		assert.True(t, content == got.Text, "%d bytes came", len(got.Text))

		behindRequire(s, "/file", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, name) })
		part := b.Get("/file", "Range", "bytes=16-31")
		assert.Equal(t, http.StatusPartialContent, part.StatusCode)
		assert.Equal(t, "0123456789abcdef", part.Text)
	})
}

func TestTrailersComeThrough(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		behindRequire(s, "/trailers", func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			assert.NoError(t, err)
			assert.Equal(t, "up", string(body))
			assert.Equal(t, "sum-up", r.Trailer.Get("X-Sum"))
			w.Header().Set("Trailer", "X-Sum")
			io.WriteString(w, "down")
			w.Header().Set("X-Sum", "sum-down")
			w.Header().Set(http.TrailerPrefix+"X-Late", "late")
		})
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.App.URL+"/trailers", io.NopCloser(strings.NewReader("up")))
		require.NoError(t, err)
		req.ContentLength = -1
		req.Trailer = http.Header{"X-Sum": {"sum-up"}}
		resp, err := b.HTTP.Do(req)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, "down", string(body))
		assert.Equal(t, "sum-down", resp.Trailer.Get("X-Sum"))
		assert.Equal(t, "late", resp.Trailer.Get("X-Late"))
	})
}

// echoUpgrade switches protocols, as for a WebSocket, and then sends back each
// line with the user's login before it.
func echoUpgrade(t *testing.T, m *ecgridsession.Middleware) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		session, ok := m.Session(r.Context())
		assert.True(t, ok)
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if !assert.NoError(t, err) {
			return
		}
		defer conn.Close()
		io.WriteString(buffered, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		buffered.Flush()
		for {
			line, err := buffered.ReadString('\n')
			if err != nil {
				return
			}
			io.WriteString(buffered, session.Login+": "+line)
			buffered.Flush()
		}
	}
}

// upgrade asks a server for the protocol echo, by hand, and returns what is
// said from there on.
func upgrade(t *testing.T, b *site.Browser, path string) (net.Conn, *bufio.Reader) {
	t.Helper()
	app, err := url.Parse(b.Site.App.URL)
	require.NoError(t, err)
	config := b.HTTP.Transport.(*http.Transport).TLSClientConfig.Clone()
	config.NextProtos = []string{"http/1.1"}
	conn, err := tls.Dial("tcp", app.Host, config)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(site.Patience)))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.Site.App.URL+path, nil)
	require.NoError(t, err)
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "echo")
	req.AddCookie(b.Cookie())
	require.NoError(t, req.Write(conn))
	said := bufio.NewReader(conn)
	resp, err := http.ReadResponse(said, req)
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
	return conn, said
}

func TestAHandlerHijacksTheConnectionForAnotherProtocol(t *testing.T) {
	for kind, signIn := range site.SignInKinds {
		t.Run(kind, func(t *testing.T) {
			s := site.New(t)
			b := signIn(s.HTTP1())
			behindRequire(s, "/echo", echoUpgrade(t, s.Middleware))
			conn, said := upgrade(t, b, "/echo")
			for _, line := range []string{"one\n", "two\n"} {
				_, err := io.WriteString(conn, line)
				require.NoError(t, err)
				got, err := said.ReadString('\n')
				require.NoError(t, err)
				assert.Equal(t, "demo: "+line, got)
			}
		})
	}
}

// An answer of 101 has the connection for a body: the Transport passes it on.
func TestAReverseProxyPassesAnUpgradeOnThroughTheTransport(t *testing.T) {
	var authorization string
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		authorization = r.Header.Get("Authorization")
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if !assert.NoError(t, err) {
			return
		}
		defer conn.Close()
		io.WriteString(buffered, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello\n")
		buffered.Flush()
		line, err := buffered.ReadString('\n')
		assert.NoError(t, err)
		io.WriteString(buffered, line)
		buffered.Flush()
	}))
	t.Cleanup(backend.Close)
	target, err := url.Parse(backend.URL)
	require.NoError(t, err)

	s := site.New(t, site.With(func(cfg *ecgridsession.Config) { cfg.Upstream = backend.URL }))
	b := s.HTTP1()
	issued := s.Grid.Issue(site.Demo.ID)
	ecgridtest.SignIn(t, s.Middleware, b.HTTP, s.App.URL, issued)
	s.Mux.Handle("/echo", &httputil.ReverseProxy{
		Rewrite:   func(pr *httputil.ProxyRequest) { pr.SetURL(target) },
		Transport: s.Middleware.Transport(nil),
	})
	conn, said := upgrade(t, b, "/echo")
	_, err = io.WriteString(conn, "again\n")
	require.NoError(t, err)
	for _, want := range []string{"hello\n", "again\n"} {
		got, err := said.ReadString('\n')
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	assert.True(t, authorization == "Bearer "+issued.Token, "the credential did not arrive")
}
