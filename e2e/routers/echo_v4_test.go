package routers_test

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

func onEchoV4(a *app) http.Handler {
	router := echo.New()
	router.Use(echo.WrapMiddleware(a.sessions.Wrap))
	router.Any("/login", echo.WrapHandler(a.sessions.LoginHandler()))
	router.Any("/logout", echo.WrapHandler(a.sessions.LogoutHandler()))
	router.GET("/", a.echoV4Home)
	router.POST("/my/sign-in", a.echoV4SignIn)

	private := router.Group("", echo.WrapMiddleware(a.sessions.Require))
	private.GET("/inbox", a.echoV4Inbox)
	private.GET("/events", a.echoV4Events)
	private.POST("/my/sign-out", a.echoV4SignOut)
	return router
}

func (a *app) echoV4Inbox(c echo.Context) error {
	a.private.Add(1)
	parcels, err := a.parcels(c.Request().Context())
	if err != nil {
		return echo.NewHTTPError(http.StatusBadGateway, "ECGrid cannot be reached.")
	}
	return c.JSONBlob(http.StatusOK, parcels)
}

func (a *app) echoV4Home(c echo.Context) error {
	cached(c.Response().Header(), c.Request())
	return c.String(http.StatusOK, a.greeting(c.Request().Context()))
}

func (a *app) echoV4Events(c echo.Context) error {
	a.private.Add(1)
	w := c.Response()
	w.Header().Set("Content-Type", "text/event-stream")
	a.stream(c.Request().Context(), w, w.Flush)
	return nil
}

func (a *app) echoV4SignIn(c echo.Context) error {
	if _, err := a.sessions.Login(c.Response(), c.Request(), c.FormValue("login"), c.FormValue("password")); err != nil {
		return echo.NewHTTPError(http.StatusUnauthorized, "Not signed in")
	}
	return a.echoV4Home(c)
}

func (a *app) echoV4SignOut(c echo.Context) error {
	a.private.Add(1)
	if _, err := a.sessions.Logout(c.Response(), c.Request()); err != nil {
		return echo.NewHTTPError(http.StatusServiceUnavailable, "Sign-out not confirmed")
	}
	return a.echoV4Home(c)
}
