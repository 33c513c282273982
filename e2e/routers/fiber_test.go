package routers_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/adaptor"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
)

func onFiber(a *app) *fiber.App {
	router := fiber.New()
	router.Get("/health", func(c fiber.Ctx) error { return c.SendString("well") })
	router.All("/*", adaptor.HTTPHandler(withOwnContext(onServeMux(a))))
	return router
}

// withOwnContext parts a request from the context that fasthttp gives it, which
// is another request's as soon as this one is answered, while goroutines of
// net/http's client still look at it.
func withOwnContext(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.Background()))
	})
}

// serveFiber serves what net/http cannot: fiber has a server of its own, which
// knows HTTP/1.1 alone.
func serveFiber(t *testing.T, router *fiber.App) (url string, transport http.RoundTripper) {
	t.Helper()
	// For its certificate, and for a client that trusts it.
	standard := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(standard.Close)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: standard.TLS.Certificates})
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- router.Listener(listener, fiber.ListenConfig{DisableStartupMessage: true}) }()
	t.Cleanup(func() {
		standard.CloseClientConnections()
		standard.Client().CloseIdleConnections()
		require.NoError(t, router.ShutdownWithTimeout(20*time.Second))
		require.NoError(t, <-served)
	})
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	return "https://127.0.0.1:" + port, standard.Client().Transport
}

// fiberMiddleware is the way that suggests itself, and that does not work.
func fiberMiddleware(a *app) *fiber.App {
	router := fiber.New()
	router.All("/login", adaptor.HTTPHandler(withOwnContext(a.sessions.LoginHandler())))
	router.Use(adaptor.HTTPMiddleware(a.sessions.Wrap))
	router.Get("/", func(c fiber.Ctx) error { return c.SendString(a.greeting(c.Context())) })
	router.Get("/locals", func(c fiber.Ctx) error { return c.SendString(a.greeting(c.RequestCtx())) })
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
	s := newSite(t, func(t *testing.T, a *app) (string, http.RoundTripper) { return serveFiber(t, fiberMiddleware(a)) })
	b := s.browser()
	assert.Equal(t, http.StatusUnauthorized, b.get("/inbox").StatusCode)
	assert.Zero(t, s.private.Load(), "handlers that ran behind the deny")

	b.signIn()
	assert.Equal(t, "Hello stranger", b.get("/").body, "though signed in")
	assert.Equal(t, "Hello stranger", b.get("/locals").body, "though signed in")
	got := b.get("/inbox")
	assert.Equal(t, http.StatusOK, got.StatusCode, "Require itself knows the session")
	assert.Contains(t, got.body, ecgridsession.ErrNoSession.Error())
	assert.Empty(t, s.grid.Calls(inboxPath))
}
