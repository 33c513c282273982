package routers_test

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/adaptor"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
)

// What docs/routers.md says that fiber cannot do is asked of it here, so that the
// page is corrected when that changes.

// onFibersMiddleware is the way that suggests itself.
func onFibersMiddleware(a *app) *fiber.App {
	router := fiber.New()
	router.All("/login", adaptor.HTTPHandler(withOwnContext(a.sessions.LoginHandler())))
	router.Use(adaptor.HTTPMiddleware(a.sessions.Wrap))
	router.Get("/", func(c fiber.Ctx) error { return c.SendString(a.greeting(c.Context())) })
	router.Get("/raw", func(c fiber.Ctx) error { return c.SendString(a.greeting(c.RequestCtx())) })
	router.Get("/inbox", adaptor.HTTPMiddleware(a.sessions.Require), func(c fiber.Ctx) error {
		a.private.Add(1)
		_, err := a.parcels(c.Context())
		if err != nil {
			return c.SendString(err.Error())
		}
		return c.SendString("parcels")
	})
	return router
}

func TestFibersMiddlewareAdaptorDeniesButLosesTheSession(t *testing.T) {
	s := newSite(t, func(t *testing.T, a *app) (string, http.RoundTripper) { return serveFiber(t, onFibersMiddleware(a)) })
	b := s.browser()
	assert.Equal(t, http.StatusUnauthorized, b.get("/inbox").StatusCode)
	assert.Zero(t, s.private.Load(), "handlers that ran behind the deny")

	b.signIn()
	assert.Equal(t, "Hello stranger", b.get("/").body, "though signed in")
	assert.Equal(t, "Hello stranger", b.get("/raw").body, "though signed in")
	got := b.get("/inbox")
	assert.Equal(t, http.StatusOK, got.StatusCode, "Require itself knows the session")
	assert.Contains(t, got.body, ecgridsession.ErrNoSession.Error())
	assert.Empty(t, s.grid.Calls(inboxPath))
}

func TestFibersContextIsThatOfTheNextRequestToo(t *testing.T) {
	var contexts []context.Context
	var local []any
	router := fiber.New()
	router.Get("/", adaptor.HTTPHandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		contexts = append(contexts, r.Context())
		local = append(local, r.Context().Value(http.LocalAddrContextKey))
	}))
	url, transport := serveFiber(t, router)
	b := newBrowser(t, url, transport)
	b.get("/")
	b.get("/")
	require.Len(t, contexts, 2)
	assert.Same(t, contexts[0], contexts[1])
	assert.Equal(t, []any{nil, nil}, local, "by which InsecureCookie tells loopback")
}

func TestAStreamOnFiberIsNotToldThatItsReaderLeftButItsWritesFail(t *testing.T) {
	failed := make(chan error, 1)
	router := fiber.New()
	router.Get("/", adaptor.HTTPHandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for {
			_, err := io.WriteString(w, "data: more\n\n")
			if err != nil {
				assert.NoError(t, r.Context().Err())
				failed <- err
				return
			}
			w.(http.Flusher).Flush()
		}
	}))
	url, transport := serveFiber(t, router)
	newBrowser(t, url, transport).open(http.MethodGet, "/", fetchCall, nil).Body.Close()
	select {
	case err := <-failed:
		assert.ErrorIs(t, err, io.ErrClosedPipe)
	case <-time.After(20 * time.Second):
		assert.Fail(t, "the handler goes on without a reader")
	}
}
