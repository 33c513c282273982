package tests

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
)

func TestARequestWithoutOurCookieKeepsTheServersResponseWriter(t *testing.T) {
	s := newSite(t)
	w := httptest.NewRecorder()
	calls := 0
	next := http.HandlerFunc(func(got http.ResponseWriter, _ *http.Request) {
		calls++
		assert.Same(t, w, got)
	})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	s.m.Wrap(next).ServeHTTP(w, r)
	r.Header.Set("Cookie", "theme=dark; other__Host-ecgrid=x")
	s.m.Wrap(s.m.Wrap(next)).ServeHTTP(w, r)
	assert.Equal(t, 2, calls)
}

func TestARequestWithOurCookieGetsOneResponseWriterOfOursAroundTheServers(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	ecgridtest.SignIn(t, s.m, b.http, s.app.URL, s.grid.Issue(demo.ID))
	w := httptest.NewRecorder()
	calls := 0
	next := http.HandlerFunc(func(got http.ResponseWriter, _ *http.Request) {
		calls++
		assert.Same(t, w, got.(interface{ Unwrap() http.ResponseWriter }).Unwrap())
	})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.AddCookie(b.cookie())
	s.m.Wrap(next).ServeHTTP(w, r)
	s.m.Require(next).ServeHTTP(w, r)
	s.m.Wrap(s.m.Require(next)).ServeHTTP(w, r)
	assert.Equal(t, 3, calls)
}

// stream opens a GET whose answer is read while it is written.
func (b *browser) stream(ctx context.Context, path string) *http.Response {
	b.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.site.app.URL+path, nil)
	require.NoError(b.t, err)
	resp, err := b.http.Do(req)
	require.NoError(b.t, err)
	return resp
}

// behindRequire adds a route for those who are signed in.
func (s *site) behindRequire(path string, h http.HandlerFunc) { s.mux.Handle(path, s.m.Require(h)) }

func TestAFlushBeforeTheFirstWriteSendsTheHeaders(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		release := make(chan struct{})
		s.behindRequire("/slow", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Early", "yes")
			flusher, ok := w.(http.Flusher)
			if !assert.True(t, ok) {
				return
			}
			flusher.Flush()
			<-release
			io.WriteString(w, "done")
		})
		resp := b.stream(t.Context(), "/slow") // returns with the headers
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
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		s.behindRequire("/hints", func(w http.ResponseWriter, _ *http.Request) {
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
		got, err := b.try(ctx, http.MethodGet, "/hints", nil)
		require.NoError(t, err)
		assert.Equal(t, []string{"</app.css>; rel=preload; as=style"}, hints)
		assert.Equal(t, http.StatusOK, got.StatusCode)
		assert.Equal(t, "page", got.body)
		assert.Empty(t, got.Header.Get("Link"))
	})
}

func TestAResponseControllerControls(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		got := b.inside(func(w http.ResponseWriter, r *http.Request) {
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
		assert.Equal(t, "done", got.body)
	})
}

func TestServerSentEventsArriveWhileTheStreamIsOpen(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		heard := make(chan struct{})
		s.behindRequire("/events", func(w http.ResponseWriter, r *http.Request) {
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
		resp := b.stream(t.Context(), "/events")
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
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		left := make(chan error, 1)
		s.behindRequire("/events", func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush() // the browser may leave before it returns
			<-r.Context().Done()
			left <- r.Context().Err()
		})
		ctx, cancel := context.WithCancel(t.Context())
		resp := b.stream(ctx, "/events")
		cancel()
		assert.ErrorIs(t, <-left, context.Canceled)
		_ = resp.Body.Close() // of a request that was cancelled: its error is the cancellation
	})
}

func TestAFileIsSentByReadFrom(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	content := strings.Repeat("0123456789abcdef", 64<<10) // 1 MiB
	require.NoError(t, os.WriteFile(name, []byte(content), 0o600))
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		got := b.inside(func(w http.ResponseWriter, r *http.Request) {
			f, err := os.Open(name)
			require.NoError(t, err)
			defer f.Close()
			_, takes := w.(io.ReaderFrom)
			assert.Equal(t, r.ProtoMajor == 1, takes, "as net/http has it")
			n, err := io.Copy(w, f)
			assert.NoError(t, err)
			assert.EqualValues(t, len(content), n)
		})
		assert.True(t, content == got.body, "%d bytes came", len(got.body))

		s.behindRequire("/file", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, name) })
		part := b.get("/file", "Range", "bytes=16-31")
		assert.Equal(t, http.StatusPartialContent, part.StatusCode)
		assert.Equal(t, "0123456789abcdef", part.body)
	})
}

func TestTrailersComeThrough(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		s.behindRequire("/trailers", func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			assert.NoError(t, err)
			assert.Equal(t, "up", string(body))
			assert.Equal(t, "sum-up", r.Trailer.Get("X-Sum"))
			w.Header().Set("Trailer", "X-Sum")
			io.WriteString(w, "down")
			w.Header().Set("X-Sum", "sum-down")
			w.Header().Set(http.TrailerPrefix+"X-Late", "late")
		})
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.app.URL+"/trailers", io.NopCloser(strings.NewReader("up")))
		require.NoError(t, err)
		req.ContentLength = -1
		req.Trailer = http.Header{"X-Sum": {"sum-up"}}
		resp, err := b.http.Do(req)
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
func upgrade(t *testing.T, b *browser, path string) (net.Conn, *bufio.Reader) {
	t.Helper()
	app, err := url.Parse(b.site.app.URL)
	require.NoError(t, err)
	config := b.http.Transport.(*http.Transport).TLSClientConfig.Clone()
	config.NextProtos = []string{"http/1.1"}
	conn, err := tls.Dial("tcp", app.Host, config)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(waitABit)))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.site.app.URL+path, nil)
	require.NoError(t, err)
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "echo")
	req.AddCookie(b.cookie())
	require.NoError(t, req.Write(conn))
	said := bufio.NewReader(conn)
	resp, err := http.ReadResponse(said, req)
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
	return conn, said
}

func TestAHandlerHijacksTheConnectionForAnotherProtocol(t *testing.T) {
	for kind, signIn := range signInKinds {
		t.Run(kind, func(t *testing.T) {
			s := newSite(t)
			b := signIn(s.http1())
			s.behindRequire("/echo", echoUpgrade(t, s.m))
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

	s := newSite(t, func(cfg *ecgridsession.Config) { cfg.Upstream = backend.URL })
	b := s.http1()
	issued := s.grid.Issue(demo.ID)
	ecgridtest.SignIn(t, s.m, b.http, s.app.URL, issued)
	s.mux.Handle("/echo", &httputil.ReverseProxy{
		Rewrite:   func(pr *httputil.ProxyRequest) { pr.SetURL(target) },
		Transport: s.m.Transport(nil),
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
