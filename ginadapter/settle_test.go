package ginadapter_test

import (
	"bufio"
	"crypto/rand"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ginadapter"
)

// dueSite is a site and a cookie that is due to be set again: an older key has
// sealed it.
func dueSite(t *testing.T) (*site, *http.Cookie) {
	t.Helper()
	ledger := ecgridsession.NewMemoryLedger()
	keys := make([][]byte, 2)
	for i := range keys {
		keys[i] = make([]byte, 32)
		rand.Read(keys[i])
	}
	older := newSite(t, func(cfg *ecgridsession.Config) { cfg.Keys, cfg.Ledger = keys[1:], ledger })
	s := newSite(t, func(cfg *ecgridsession.Config) { cfg.Keys, cfg.Ledger, cfg.Upstream = keys, ledger, older.grid.URL })
	return s, older.signedIn(alice)
}

// settled holds that an answer has the session's cookie once, and that no cache
// keeps it.
func settled(t *testing.T, header http.Header) {
	t.Helper()
	var lines []string
	for _, line := range header["Set-Cookie"] {
		if strings.HasPrefix(line, "__Host-ecgrid=") {
			lines = append(lines, line)
		}
	}
	assert.Len(t, lines, 1)
	assert.Equal(t, []string{"no-store"}, header["Cache-Control"])
	assert.NotContains(t, header["Cdn-Cache-Control"], "public")
}

func public(c *gin.Context) {
	c.Writer.Header().Del("Set-Cookie")
	c.Header("Cache-Control", "public, max-age=60")
	c.Header("CDN-Cache-Control", "public")
}

// replaced is a writer that an app puts around gin's, as for compression.
type replaced struct{ gin.ResponseWriter }

// notGins is a writer that hides the writer of gin that is in it.
type notGins struct{ within gin.ResponseWriter }

func (w *notGins) Header() http.Header                          { return w.within.Header() }
func (w *notGins) Write(p []byte) (int, error)                  { return w.within.Write(p) }
func (w *notGins) WriteString(s string) (int, error)            { return w.within.WriteString(s) }
func (w *notGins) WriteHeader(code int)                         { w.within.WriteHeader(code) }
func (w *notGins) WriteHeaderNow()                              { w.within.WriteHeaderNow() }
func (w *notGins) Flush()                                       { w.within.Flush() }
func (w *notGins) Hijack() (net.Conn, *bufio.ReadWriter, error) { return w.within.Hijack() }
func (w *notGins) CloseNotify() <-chan bool                     { return w.within.CloseNotify() }
func (w *notGins) Status() int                                  { return w.within.Status() }
func (w *notGins) Size() int                                    { return w.within.Size() }
func (w *notGins) Written() bool                                { return w.within.Written() }
func (w *notGins) Pusher() http.Pusher                          { return w.within.Pusher() }

func TestTheCookieIsSettledWhenGinWritesTheHeader(t *testing.T) {
	writers := map[string]func(gin.ResponseWriter) gin.ResponseWriter{
		"gin's writer":                      func(w gin.ResponseWriter) gin.ResponseWriter { return w },
		"a writer around gin's":             func(w gin.ResponseWriter) gin.ResponseWriter { return &replaced{w} },
		"two writers around gin's":          func(w gin.ResponseWriter) gin.ResponseWriter { return &replaced{&replaced{w}} },
		"a writer that is nothing of gin's": func(w gin.ResponseWriter) gin.ResponseWriter { return &notGins{w} },
	}
	for name, handler := range map[string]gin.HandlerFunc{
		"String": func(c *gin.Context) {
			c.Status(http.StatusTeapot)
			public(c)
			c.String(http.StatusTeapot, "short and stout")
		},
		"WriteHeaderNow": func(c *gin.Context) {
			c.Status(http.StatusTeapot)
			public(c)
			c.Writer.WriteHeaderNow()
		},
		"nothing but a status": func(c *gin.Context) {
			public(c)
			c.Status(http.StatusTeapot)
		},
		"Flush": func(c *gin.Context) {
			c.Status(http.StatusTeapot)
			public(c)
			c.Writer.Flush()
		},
		"a controller": func(c *gin.Context) {
			c.Status(http.StatusTeapot)
			public(c)
			assert.NoError(t, http.NewResponseController(c.Writer).Flush())
		},
		"Stream": func(c *gin.Context) {
			c.Status(http.StatusTeapot)
			public(c)
			c.Stream(func(w io.Writer) bool {
				io.WriteString(w, "once")
				return false
			})
		},
		"io.Copy": func(c *gin.Context) {
			c.Status(http.StatusTeapot)
			public(c)
			io.Copy(c.Writer, strings.NewReader("copied"))
		},
		"AbortWithStatus": func(c *gin.Context) {
			public(c)
			c.AbortWithStatus(http.StatusTeapot)
		},
		"another route": func(c *gin.Context) {
			c.Request.URL.Path = "/other"
			c.MustGet("app").(*gin.Engine).HandleContext(c)
		},
	} {
		for around, replace := range writers {
			if name == "another route" && around != "gin's writer" {
				continue // HandleContext itself drops the app's writer
			}
			t.Run(name+", "+around, func(t *testing.T) {
				s, cookie := dueSite(t)
				app := gin.New()
				var status, size int
				app.Use(func(c *gin.Context) {
					c.Set("app", app)
					c.Writer = replace(c.Writer)
					c.Next()
					status, size = c.Writer.Status(), c.Writer.Size()
				}, ginadapter.Wrap(s.sessions), ginadapter.Require(s.sessions))
				app.GET("/", handler)
				app.GET("/other", func(c *gin.Context) {
					public(c)
					c.String(http.StatusTeapot, "elsewhere")
				})
				server := httptest.NewServer(app)
				defer server.Close()
				r, err := http.NewRequest(http.MethodGet, server.URL, nil)
				require.NoError(t, err)
				r.AddCookie(cookie)
				got, err := server.Client().Do(r)
				require.NoError(t, err)
				body, err := io.ReadAll(got.Body)
				require.NoError(t, err)
				got.Body.Close()
				assert.Equal(t, http.StatusTeapot, got.StatusCode)
				settled(t, got.Header)
				if name != "another route" { // which the logger of either sees
					assert.Equal(t, http.StatusTeapot, status)
					assert.Equal(t, len(body), max(size, 0))
				}
			})
		}
	}
}

func TestAMiddlewareAroundItThatWritesLaterDoesNotLoseTheCookie(t *testing.T) {
	s, cookie := dueSite(t)
	app := gin.New()
	app.Use(func(c *gin.Context) {
		c.Next()
		public(c)
		c.String(http.StatusBadGateway, "an error page of the app's")
	}, ginadapter.Wrap(s.sessions))
	app.GET("/", func(c *gin.Context) { c.Status(http.StatusBadGateway) })
	got := serve(app, http.MethodGet, "/", cookie)
	assert.Equal(t, http.StatusBadGateway, got.Code)
	settled(t, got.Header())
}

func TestARecoveryAnswersAPanicWithoutTheCookie(t *testing.T) {
	for name, replace := range map[string]func(gin.ResponseWriter) gin.ResponseWriter{
		"gin's writer":                      func(w gin.ResponseWriter) gin.ResponseWriter { return w },
		"a writer that is nothing of gin's": func(w gin.ResponseWriter) gin.ResponseWriter { return &notGins{w} },
	} {
		t.Run(name, func(t *testing.T) {
			s, cookie := dueSite(t)
			app := gin.New()
			app.Use(gin.CustomRecoveryWithWriter(io.Discard, func(c *gin.Context, _ any) { c.String(http.StatusInternalServerError, "sorry") }))
			app.Use(func(c *gin.Context) { c.Writer = replace(c.Writer) }, ginadapter.Wrap(s.sessions))
			app.GET("/", func(*gin.Context) { panic("the app") })
			got := serve(app, http.MethodGet, "/", cookie)
			assert.Equal(t, http.StatusInternalServerError, got.Code)
			assert.Empty(t, got.Header()["Set-Cookie"])
		})
	}
}

func TestADenialIsSeenByTheLoggersAroundIt(t *testing.T) {
	s, cookie := dueSite(t)
	app := gin.New()
	status := 0
	app.Use(func(c *gin.Context) {
		c.Next()
		status = c.Writer.Status()
	})
	app.GET("/", ginadapter.Require(s.sessions), func(*gin.Context) { assert.Fail(t, "denied") })
	for _, cookies := range [][]*http.Cookie{nil, {{Name: cookie.Name, Value: "garbage"}}} {
		got := serve(app, http.MethodGet, "/", cookies...)
		assert.Equal(t, http.StatusUnauthorized, got.Code)
		assert.Equal(t, http.StatusUnauthorized, status)
		assert.JSONEq(t, `{"error":"not signed in"}`, got.Body.String())
	}
}
