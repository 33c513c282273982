package ginadapter_test

import (
	"net/http"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/assert"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ginadapter"
)

func TestADenyRunsNoneOfTheHandlersAfterIt(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter, *http.Request, int, error){
		"the library's":  nil,
		"a status alone": func(w http.ResponseWriter, _ *http.Request, status int, _ error) { w.WriteHeader(status) },
		"nothing at all": func(http.ResponseWriter, *http.Request, int, error) {},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, func(cfg *ecgridsession.Config) { cfg.ErrorHandler = answer })
			var ran []string
			run := func(name string) gin.HandlerFunc {
				return func(c *gin.Context) { ran = append(ran, name); c.Next() }
			}
			app := gin.New()
			app.Use(ginadapter.Wrap(s.sessions))
			app.Any("/private", run("before"), ginadapter.Require(s.sessions), run("between"), run("guarded"))
			for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete} {
				ran = nil
				got := serve(app, method, "/private")
				assert.Equal(t, []string{"before"}, ran, method)
				if name != "nothing at all" {
					assert.Equal(t, http.StatusUnauthorized, got.Code, method)
				}
			}
			ran = nil
			serve(app, http.MethodGet, "/private", s.signedIn(alice))
			assert.Equal(t, []string{"before", "between", "guarded"}, ran, "each once, for a user")
		})
	}
}

// Why there is an adapter at all.
func TestRunByGinsOwnWrapHTheGuardLetsEverybodyThrough(t *testing.T) {
	s := newSite(t)
	ran := false
	app := gin.New()
	guard := s.sessions.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	app.GET("/private", gin.WrapH(guard), func(*gin.Context) { ran = true })
	assert.Equal(t, http.StatusUnauthorized, serve(app, http.MethodGet, "/private").Code)
	assert.True(t, ran)
}

func TestAPanicInTheGuardIsADenyWhateverTheRecoveryDoes(t *testing.T) {
	s := newSite(t, func(cfg *ecgridsession.Config) {
		cfg.ErrorHandler = func(http.ResponseWriter, *http.Request, int, error) { panic("the app's own page is broken") }
	})
	ran := false
	app := gin.New()
	app.Use(func(c *gin.Context) {
		defer func() {
			if recover() != nil {
				c.Status(http.StatusInternalServerError) // and no Abort
			}
		}()
		c.Next()
	})
	app.GET("/private", ginadapter.Require(s.sessions), func(*gin.Context) { ran = true })
	assert.Equal(t, http.StatusInternalServerError, serve(app, http.MethodGet, "/private").Code)
	assert.False(t, ran)
}

func TestAPanicInAHandlerReachesGinsRecovery(t *testing.T) {
	s := newSite(t)
	var recovered any
	app := gin.New()
	app.Use(gin.CustomRecoveryWithWriter(nil, func(c *gin.Context, err any) {
		recovered = err
		c.AbortWithStatus(http.StatusTeapot)
	}))
	app.GET("/private", ginadapter.Wrap(s.sessions), ginadapter.Require(s.sessions), func(*gin.Context) { panic("broken") })
	assert.Equal(t, http.StatusTeapot, serve(app, http.MethodGet, "/private", s.signedIn(alice)).Code)
	assert.Equal(t, "broken", recovered)
}

func TestAnAbortBehindTheAdapterStaysOne(t *testing.T) {
	s := newSite(t)
	ran := false
	app := gin.New()
	app.GET("/", ginadapter.Wrap(s.sessions), func(c *gin.Context) { c.AbortWithStatus(http.StatusTeapot) },
		func(*gin.Context) { ran = true })
	assert.Equal(t, http.StatusTeapot, serve(app, http.MethodGet, "/").Code)
	assert.False(t, ran)
}

func TestAGuardOverTheWholeAppIsOneOverUnknownPathsToo(t *testing.T) {
	s := newSite(t)
	app := gin.New()
	app.Use(ginadapter.Require(s.sessions))
	app.NoRoute(func(c *gin.Context) { c.String(http.StatusNotFound, "no such page, "+s.who(c.Request.Context())) })
	assert.Equal(t, http.StatusUnauthorized, serve(app, http.MethodGet, "/nowhere").Code)
	known := serve(app, http.MethodGet, "/nowhere", s.signedIn(alice))
	assert.Equal(t, http.StatusNotFound, known.Code)
	assert.Equal(t, "no such page, alice", known.Body.String())
}
