package routers_test

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/ecgrid-contrib/ecgridsession/ginadapter"
)

func onGin(a *app) http.Handler {
	router := gin.New()
	router.Use(gin.Recovery(), ginadapter.Wrap(a.sessions))
	router.Any("/login", gin.WrapH(a.sessions.LoginHandler()))
	router.Any("/logout", gin.WrapH(a.sessions.LogoutHandler()))
	router.GET("/", a.ginHome)
	router.POST("/my/sign-in", a.ginSignIn)

	private := router.Group("/", ginadapter.Require(a.sessions))
	private.GET("/inbox", a.ginInbox)
	private.GET("/events", a.ginEvents)
	private.POST("/my/sign-out", a.ginSignOut)
	return router
}

func (a *app) ginInbox(c *gin.Context) {
	a.private.Add(1)
	parcels, err := a.parcels(c.Request.Context())
	if err != nil {
		c.String(http.StatusBadGateway, "ECGrid cannot be reached.")
		return
	}
	c.Data(http.StatusOK, "application/json", parcels)
}

func (a *app) ginHome(c *gin.Context) {
	cached(c.Writer.Header(), c.Request)
	c.String(http.StatusOK, a.greeting(c.Request.Context()))
}

func (a *app) ginEvents(c *gin.Context) {
	a.private.Add(1)
	c.Header("Content-Type", "text/event-stream")
	a.stream(c.Request.Context(), c.Writer, c.Writer.Flush)
}

func (a *app) ginSignIn(c *gin.Context) {
	if _, err := a.sessions.Login(c.Writer, c.Request, c.PostForm("login"), c.PostForm("password")); err != nil {
		c.String(http.StatusUnauthorized, "Not signed in")
		return
	}
	a.ginHome(c)
}

func (a *app) ginSignOut(c *gin.Context) {
	a.private.Add(1)
	if _, err := a.sessions.Logout(c.Writer, c.Request); err != nil {
		c.String(http.StatusServiceUnavailable, "Sign-out not confirmed")
		return
	}
	a.ginHome(c)
}

func init() { gin.SetMode(gin.TestMode) } // its debug mode prints every route
