// Package ginadapter mounts ecgridsession in apps that are built on gin:
//
//	router := gin.New()
//	router.Use(gin.Recovery(), ginadapter.Wrap(sessions))
//	router.Any("/login", gin.WrapH(sessions.LoginHandler()))
//	router.Any("/logout", gin.WrapH(sessions.LogoutHandler()))
//
//	private := router.Group("/", ginadapter.Require(sessions))
//	private.GET("/inbox", func(c *gin.Context) {
//		session, _ := sessions.Session(c.Request.Context())
//		c.String(http.StatusOK, "The inbox of %s", session.Login)
//	})
//
// The adapter is there because gin runs the next handler of a chain unless a
// handler calls Abort. A net/http middleware denies by not calling the handler
// that it wraps, so one that is merely run by [gin.WrapH] answers 401, and gin then
// runs the handler that was to be guarded.
//
// # In handlers
//
// The session is in the request's context: pass c.Request.Context() to
// [ecgridsession.Middleware.Session], to EndWithSession, and to the requests that
// go out through Client or Transport. c.Writer and c.Request are what Login, Start
// and Logout take. c.Writer is gin's own, which counts, flushes and hijacks as it
// does without us. The library's ResponseWriter is put under it, so that the
// cookie is settled when gin writes the header, and not before.
//
// Never pass c itself as the context. As gin comes, c has nothing of the request's
// context, so the user appears signed out. With [gin.Engine.ContextWithFallback] it
// has, and that is worse: gin uses c again for another request as soon as this one
// is answered. A goroutine that has kept c then calls ECGrid as somebody else. One
// that works on after the answer takes context.WithoutCancel(c.Request.Context()),
// which is of this request for good.
//
// gin applies what is given to Use to the routes that are added after it. A route
// from before it has no session, unless Require is on it, which needs no Wrap.
package ginadapter

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/ecgrid-contrib/ecgridsession"
)

// Wrap is [ecgridsession.Middleware.Wrap] for gin: the handlers after it find the
// session in c.Request.Context(). Handlers before it do so as well, once c.Next has
// returned: a logger can tell who it was.
func Wrap(m *ecgridsession.Middleware) gin.HandlerFunc {
	return adapt(m.Wrap)
}

// Require is [ecgridsession.Middleware.Require] for gin: it lets only signed-in
// requests through to the handlers after it. Where it answers by itself the chain
// is aborted, and so it is where it panics, as a Config.ErrorHandler or a Ledger
// of the app's may.
func Require(m *ecgridsession.Middleware) gin.HandlerFunc {
	return adapt(m.Require)
}

// adapt is for middleware that calls its handler, if at all, before it returns and
// with the ResponseWriter that it was given, or one around it. That is so for the
// two above, and not for any middleware, which is why it is not exported.
func adapt(middleware func(http.Handler) http.Handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		passed := false
		// Deferred, since a recovery that does not abort would otherwise make a
		// panic in the guard an open gate: gin goes on behind it.
		defer func() {
			if !passed {
				c.Abort()
			}
		}()
		above := &above{ResponseWriter: c.Writer}
		next := func(w http.ResponseWriter, r *http.Request) {
			passed = true
			c.Request = r
			if w == http.ResponseWriter(above) {
				c.Next()
				return
			}
			takeOut := putUnder(c, above, w)
			returned := false
			// After a panic a recovery answers, and nothing is settled.
			defer func() {
				if !returned {
					takeOut()
				}
			}()
			c.Next()
			returned = true
		}
		middleware(http.HandlerFunc(next)).ServeHTTP(above, c.Request)
	}
}
