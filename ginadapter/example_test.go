package ginadapter_test

import (
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
	"github.com/ecgrid-contrib/ecgridsession/ginadapter"
)

// A gin app with a page for anybody and one for users.
func Example() {
	// A fake ECGrid with one user stands in for the real one.
	grid := ecgridtest.NewAPI()
	grid.AddUser(ecgridtest.User{ID: 1042, Login: "alice", APIKey: "the-key-of-alice"})
	ecgrid := httptest.NewServer(grid)
	defer ecgrid.Close()

	key := make([]byte, 32)
	rand.Read(key) // an app has its key from where its passwords are kept
	sessions, err := ecgridsession.New(ecgridsession.Config{Upstream: ecgrid.URL, Keys: [][]byte{key}})
	if err != nil {
		fmt.Println(err)
		return
	}

	gin.SetMode(gin.ReleaseMode)
	router := gin.New()
	router.Use(gin.Recovery(), ginadapter.Wrap(sessions))
	router.Any("/login", gin.WrapH(sessions.LoginHandler()))
	router.Any("/logout", gin.WrapH(sessions.LogoutHandler()))
	router.GET("/", func(c *gin.Context) {
		_, signedIn := sessions.Session(c.Request.Context())
		c.String(http.StatusOK, "signed in: %t", signedIn)
	})
	private := router.Group("/", ginadapter.Require(sessions))
	private.GET("/inbox", func(c *gin.Context) {
		session, _ := sessions.Session(c.Request.Context())
		c.String(http.StatusOK, "the inbox of %s", session.Login)
	})

	app := httptest.NewTLSServer(router)
	defer app.Close()
	browser := app.Client()
	browser.Jar, _ = cookiejar.New(nil)
	show := func(page *http.Response, err error) {
		if err != nil {
			fmt.Println(err)
			return
		}
		defer page.Body.Close()
		text, _ := io.ReadAll(page.Body)
		fmt.Println(page.Request.URL.Path, page.StatusCode, strings.TrimSpace(string(text)))
	}
	show(browser.Get(app.URL + "/inbox"))
	show(browser.PostForm(app.URL+"/login", url.Values{"api_key": {"the-key-of-alice"}, "return_to": {"/inbox"}}))
	show(browser.Get(app.URL + "/"))
	show(browser.PostForm(app.URL+"/logout", nil))
	// Output:
	// /inbox 401 {"error":"not signed in"}
	// /inbox 200 the inbox of alice
	// / 200 signed in: true
	// / 200 signed in: false
}
