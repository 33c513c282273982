package ecgridsession_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// An API gateway: scripts on the app's pages call ECGrid under the app's own
// origin. The session's cookie stays with the app, and the token behind it.
func ExampleMiddleware_Transport_reverseProxy() {
	ecgrid := ecgridtest.NewAPI() // in place of https://rest.ecgrid.io
	ecgrid.AddUser(ecgridtest.User{ID: 1042, Login: "alice", Password: "correct horse"})
	upstream := httptest.NewServer(ecgrid)
	defer upstream.Close()
	key := make([]byte, 32)
	rand.Read(key)

	sessions, err := ecgridsession.New(ecgridsession.Config{Upstream: upstream.URL, Keys: [][]byte{key}})
	if err != nil {
		log.Fatal(err)
	}
	target, err := url.Parse(upstream.URL)
	if err != nil {
		log.Fatal(err)
	}
	gateway := &httputil.ReverseProxy{
		Rewrite: func(pr *httputil.ProxyRequest) {
			pr.SetURL(target)
			// The Transport refuses to replace a credential that the caller has
			// set. One that comes from a browser is not for ECGrid.
			pr.Out.Header.Del("Authorization")
			pr.Out.Header.Del("X-API-Key")
		},
		Transport: sessions.Transport(nil),
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			switch {
			case errors.Is(err, ecgridsession.ErrNoSession), errors.Is(err, ecgridsession.ErrSessionEnded):
				w.WriteHeader(http.StatusUnauthorized)
			case errors.Is(err, ecgridsession.ErrLedgerUnavailable):
				w.WriteHeader(http.StatusServiceUnavailable)
			default:
				w.WriteHeader(http.StatusBadGateway)
			}
		},
	}
	app := http.NewServeMux()
	app.Handle("/login", sessions.LoginHandler())
	app.Handle("/logout", sessions.LogoutHandler())
	// Require keeps anonymous requests from ECGrid, and CrossOriginProtection
	// those that another site's page makes with the user's cookie.
	thisSite := http.NewCrossOriginProtection()
	app.Handle("/v2/", thisSite.Handler(sessions.Require(gateway)))
	// The same for streams and WebSockets, which are cut off at sign-out.
	app.Handle("/v2/streams/", thisSite.Handler(sessions.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := sessions.EndWithSession(r.Context())
		defer cancel()
		gateway.ServeHTTP(w, r.WithContext(ctx))
	}))))
	server := httptest.NewTLSServer(sessions.Wrap(app))
	defer server.Close()

	// A browser asks before sign-in, after it, and after sign-out.
	browser := server.Client()
	if browser.Jar, err = cookiejar.New(nil); err != nil {
		log.Fatal(err)
	}
	post := func(path string, form url.Values) *http.Response {
		resp, err := browser.PostForm(server.URL+path, form)
		if err != nil {
			log.Fatal(err)
		}
		resp.Body.Close()
		return resp
	}
	fmt.Println(post("/v2/auth/session", nil).Status)
	post("/login", url.Values{"login": {"alice"}, "password": {"correct horse"}})
	fmt.Println(post("/v2/auth/session", nil).Status)
	post("/logout", nil)
	fmt.Println(post("/v2/auth/session", nil).Status)
	for _, call := range ecgrid.Calls("/v2/auth/session") {
		fmt.Println("ECGrid was called with a", call.Kind, "token")
	}
	// Output:
	// 401 Unauthorized
	// 200 OK
	// 401 Unauthorized
	// ECGrid was called with a bearer token
}
