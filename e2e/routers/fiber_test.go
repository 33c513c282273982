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
	"github.com/stretchr/testify/require"
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
