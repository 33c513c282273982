package ginadapter_test

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
	"github.com/ecgrid-contrib/ecgridsession/ginadapter"
)

func TestRequireNeedsNoWrap(t *testing.T) {
	s := newSite(t)
	app := gin.New()
	app.GET("/", ginadapter.Require(s.sessions), func(c *gin.Context) { c.String(http.StatusOK, s.who(c.Request.Context())) })
	assert.Equal(t, "alice", serve(app, http.MethodGet, "/", s.signedIn(alice)).Body.String())
}

func TestARouteFromBeforeUseHasNoSessionButUnderRequire(t *testing.T) {
	s := newSite(t)
	app := gin.New()
	who := func(c *gin.Context) { c.String(http.StatusOK, s.who(c.Request.Context())) }
	app.GET("/before", who)
	app.GET("/guarded", ginadapter.Require(s.sessions), who)
	app.Use(ginadapter.Wrap(s.sessions))
	app.GET("/after", who)
	for path, want := range map[string]string{"/before": "stranger", "/guarded": "alice", "/after": "alice"} {
		assert.Equal(t, want, serve(app, http.MethodGet, path, s.signedIn(alice)).Body.String(), path)
	}
}

func TestAMiddlewareAroundItLearnsWhoItWas(t *testing.T) {
	s := newSite(t)
	var before, after string
	app := gin.New()
	app.Use(func(c *gin.Context) {
		before = s.who(c.Request.Context())
		c.Next()
		after = s.who(c.Request.Context())
		assert.False(t, c.IsAborted(), "which would tell it of a deny")
	}, ginadapter.Wrap(s.sessions))
	app.GET("/", func(*gin.Context) {})
	serve(app, http.MethodGet, "/", s.signedIn(alice))
	assert.Equal(t, "stranger", before)
	assert.Equal(t, "alice", after)
}

func TestHandlersHaveGinsOwnWriter(t *testing.T) {
	s := newSite(t)
	var before, inside gin.ResponseWriter
	app := gin.New()
	app.Use(func(c *gin.Context) { before = c.Writer }, ginadapter.Wrap(s.sessions), ginadapter.Require(s.sessions))
	app.GET("/", func(c *gin.Context) { inside = c.Writer })
	serve(app, http.MethodGet, "/", s.signedIn(alice))
	require.NotNil(t, inside)
	assert.Same(t, before, inside)
}

func TestHandlersRunInsideOfTheMiddleware(t *testing.T) {
	var ran []string
	app := gin.New()
	app.GET("/", ginadapter.Adapt(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			assert.Implements(t, (*gin.ResponseWriter)(nil), w)
			next.ServeHTTP(w, r)
			ran = append(ran, "middleware's end")
		})
	}), func(*gin.Context) { ran = append(ran, "handler") })
	serve(app, http.MethodGet, "/")
	assert.Equal(t, []string{"handler", "middleware's end"}, ran)
}

func TestAHandlerHijacksTheConnection(t *testing.T) {
	s := newSite(t)
	app := gin.New()
	app.GET("/socket", ginadapter.Wrap(s.sessions), ginadapter.Require(s.sessions), func(c *gin.Context) {
		conn, buffered, err := c.Writer.Hijack()
		if !assert.NoError(t, err) {
			return
		}
		defer conn.Close()
		buffered.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n" + s.who(c.Request.Context()) + "\n")
		buffered.Flush()
	})
	server := httptest.NewServer(app)
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	r, err := http.NewRequest(http.MethodGet, server.URL+"/socket", nil)
	require.NoError(t, err)
	r.AddCookie(s.signedIn(alice))
	require.NoError(t, r.Write(conn))
	reader := bufio.NewReader(conn)
	got, err := http.ReadResponse(reader, r)
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, got.StatusCode)
	line, err := reader.ReadString('\n')
	require.NoError(t, err)
	assert.Equal(t, "alice\n", line)
}

func TestARewrittenRequestKeepsItsSession(t *testing.T) {
	s := newSite(t)
	app := gin.New()
	app.Use(ginadapter.Wrap(s.sessions))
	app.GET("/old", func(c *gin.Context) {
		c.Request.URL.Path = "/new"
		app.HandleContext(c)
	})
	app.GET("/new", ginadapter.Require(s.sessions), func(c *gin.Context) { c.String(http.StatusOK, s.who(c.Request.Context())) })
	assert.Equal(t, "alice", serve(app, http.MethodGet, "/old", s.signedIn(alice)).Body.String())
	assert.Equal(t, http.StatusUnauthorized, serve(app, http.MethodGet, "/old").Code)
}

func TestGinsContextHasTheSessionWithTheFallbackAlone(t *testing.T) {
	for name, c := range map[string]struct {
		fallback bool
		want     string
	}{"as gin comes": {false, "stranger"}, "with ContextWithFallback": {true, "alice"}} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			app := gin.New()
			app.ContextWithFallback = c.fallback
			app.GET("/", ginadapter.Wrap(s.sessions), func(g *gin.Context) { g.String(http.StatusOK, s.who(g)) })
			assert.Equal(t, c.want, serve(app, http.MethodGet, "/", s.signedIn(alice)).Body.String())
		})
	}
}

// Why c is never to be passed as the context.
func TestAGinContextThatIsKeptComesToHoldAnotherUsersSession(t *testing.T) {
	s := newSite(t)
	app := gin.New()
	app.ContextWithFallback = true
	var kept *gin.Context
	var right context.Context
	app.GET("/keep", ginadapter.Wrap(s.sessions), func(c *gin.Context) {
		kept, right = c, context.WithoutCancel(c.Request.Context())
	})
	app.GET("/", ginadapter.Wrap(s.sessions), func(*gin.Context) {})
	inAlicesName, inBobsName := s.signedIn(alice), s.signedIn(bob)
	for range 1000 { // sync.Pool promises no single time
		serve(app, http.MethodGet, "/keep", inAlicesName)
		serve(app, http.MethodGet, "/", inBobsName)
		require.Equal(t, "alice", s.who(right), "the request's own context stays hers")
		if s.who(kept) == "bob" {
			return
		}
	}
	assert.Fail(t, "gin no longer uses a context again: the warning in the documentation can go")
}

func TestAStreamEndsAtSignOutThroughTheRequestsContext(t *testing.T) {
	s := newSite(t)
	app := gin.New()
	app.Use(ginadapter.Wrap(s.sessions))
	app.Any("/logout", gin.WrapH(s.sessions.LogoutHandler()))
	app.GET("/events", ginadapter.Require(s.sessions), func(c *gin.Context) {
		ctx, done := s.sessions.EndWithSession(c.Request.Context())
		defer done()
		c.SSEvent("hello", s.who(ctx))
		c.Writer.Flush()
		<-ctx.Done()
		c.SSEvent("ended", context.Cause(ctx).Error())
	})
	server := httptest.NewTLSServer(app)
	defer server.Close()
	client := server.Client()
	ecgridtest.SignIn(t, s.sessions, client, server.URL, s.grid.Issue(alice))
	got, err := client.Get(server.URL + "/events")
	require.NoError(t, err)
	defer got.Body.Close()
	lines := bufio.NewScanner(got.Body)
	require.True(t, lines.Scan())
	assert.Equal(t, "event:hello", lines.Text())

	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	out, err := client.Post(server.URL+"/logout", "", nil)
	require.NoError(t, err)
	out.Body.Close()
	require.Equal(t, http.StatusSeeOther, out.StatusCode)
	var last string
	for lines.Scan() {
		if lines.Text() != "" {
			last = lines.Text()
		}
	}
	require.NoError(t, lines.Err())
	assert.Equal(t, "data:"+ecgridsession.ErrSessionEnded.Error(), last)
}
