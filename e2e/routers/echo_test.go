package routers_test

import (
	"net/http"

	"github.com/labstack/echo/v5"
)

func onEcho(a *app) http.Handler {
	router := echo.New()
	router.Use(echo.WrapMiddleware(a.sessions.Wrap))
	router.Any("/login", echo.WrapHandler(a.sessions.LoginHandler()))
	router.Any("/logout", echo.WrapHandler(a.sessions.LogoutHandler()))
	router.GET("/", a.echoHome)
	router.POST("/my/sign-in", a.echoSignIn)

	private := router.Group("", echo.WrapMiddleware(a.sessions.Require))
	private.GET("/inbox", a.echoInbox)
	private.GET("/events", a.echoEvents)
	private.POST("/my/sign-out", a.echoSignOut)
	return router
}

func (a *app) echoInbox(c *echo.Context) error {
	a.private.Add(1)
	parcels, err := a.parcels(c.Request().Context())
	if err != nil {
		return echo.NewHTTPError(http.StatusBadGateway, "ECGrid cannot be reached.")
	}
	return c.JSONBlob(http.StatusOK, parcels)
}

func (a *app) echoHome(c *echo.Context) error {
	cached(c.Response().Header(), c.Request())
	return c.String(http.StatusOK, a.greeting(c.Request().Context()))
}

func (a *app) echoEvents(c *echo.Context) error {
	a.private.Add(1)
	w := c.Response()
	w.Header().Set("Content-Type", "text/event-stream")
	a.stream(c.Request().Context(), w, w.(http.Flusher).Flush)
	return nil
}

func (a *app) echoSignIn(c *echo.Context) error {
	if _, err := a.sessions.Login(c.Response(), c.Request(), c.FormValue("login"), c.FormValue("password")); err != nil {
		return echo.NewHTTPError(http.StatusUnauthorized, "Not signed in")
	}
	return a.echoHome(c)
}

func (a *app) echoSignOut(c *echo.Context) error {
	a.private.Add(1)
	if _, err := a.sessions.Logout(c.Response(), c.Request()); err != nil {
		return echo.NewHTTPError(http.StatusServiceUnavailable, "Sign-out not confirmed")
	}
	return a.echoHome(c)
}
