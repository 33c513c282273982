package ecgridsession_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"time"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// The client takes the user from the request's context, so one client serves
// all users. It calls ECGrid and no other host.
func ExampleMiddleware_Client() {
	sessions, _, ecgrid := exampleSessions() // in front of a fake ECGrid
	defer ecgrid.Close()
	client := sessions.Client()
	app := http.NewServeMux()
	app.Handle("/login", sessions.LoginHandler())
	app.Handle("/call", sessions.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call, err := http.NewRequestWithContext(r.Context(), http.MethodPost, r.FormValue("url"), nil)
		if err != nil {
			http.Error(w, "not a URL", http.StatusBadRequest)
			return
		}
		resp, err := client.Do(call)
		switch {
		case errors.Is(err, ecgridsession.ErrOtherOrigin):
			fmt.Fprint(w, "not sent")
		case err != nil:
			http.Error(w, "ECGrid cannot be reached", http.StatusBadGateway)
		default:
			defer resp.Body.Close()
			fmt.Fprint(w, "ECGrid answers ", resp.StatusCode)
		}
	})))

	browser := browse(app)
	browser.signIn()
	fmt.Println(browser.get("/call?url=" + url.QueryEscape(ecgrid.URL+"/v2/parcels/inbox-list")))
	fmt.Println(browser.get("/call?url=" + url.QueryEscape("https://evil.example/")))
	// Output:
	// 200 ECGrid answers 200
	// 200 not sent
}

// Transport goes into anything that takes an http.RoundTripper, such as a client
// with its own timeout, or a reverse proxy. The proxy passes the user's token on
// and keeps the session's cookie.
func ExampleMiddleware_Transport() {
	sessions, api, ecgrid := exampleSessions() // in front of a fake ECGrid
	defer ecgrid.Close()
	upstream, _ := url.Parse(ecgrid.URL)
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(upstream) },
		Transport: sessions.Transport(nil),
	}
	app := http.NewServeMux()
	app.Handle("/login", sessions.LoginHandler())
	app.Handle("/v2/parcels/", sessions.Require(proxy))
	site := http.NewCrossOriginProtection().Handler(app)

	browser := browse(site)
	browser.signIn()
	answer := browser.post("/v2/parcels/inbox-list", "")
	fmt.Println(answer[:len("200")])
	for _, call := range api.Calls("/v2/parcels/inbox-list") {
		fmt.Println(call.Method, call.Path, call.Status, call.Kind)
	}
	// Output:
	// 200
	// POST /v2/parcels/inbox-list 200 bearer
}

// Do not take the credential out and attach it by hand. A redirect takes it to
// another host, if an attacker can make ECGrid send one. net/http drops
// Authorization on the way there, but knows nothing of X-API-Key. That gives away
// the key, which outlives every session. A client on
// [ecgridsession.Middleware.Transport] does not follow.
func ExampleMiddleware_Transport_incorrect() {
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println("another host has the key:", r.Header.Get("X-API-Key") != "")
	}))
	defer evil.Close()
	ecgrid := httptest.NewServer(http.RedirectHandler(evil.URL, http.StatusTemporaryRedirect))
	defer ecgrid.Close()
	sessions, _, fake := exampleSessions(func(cfg *ecgridsession.Config) { cfg.Upstream = ecgrid.URL })
	defer fake.Close()
	ctx := sessions.WithCredential(context.Background(), ecgridsession.Credential{APIKey: "alices-api-key"})

	// By hand:
	credential, _ := sessions.Credential(ctx)
	call, _ := http.NewRequestWithContext(ctx, http.MethodGet, ecgrid.URL, nil)
	call.Header.Set("X-API-Key", credential.APIKey)
	if resp, err := http.DefaultClient.Do(call); err == nil {
		resp.Body.Close()
	}

	// As it is meant to be:
	call, _ = http.NewRequestWithContext(ctx, http.MethodGet, ecgrid.URL, nil)
	_, err := sessions.Client().Do(call)
	fmt.Println("not sent there:", errors.Is(err, ecgridsession.ErrOtherOrigin))
	// Output:
	// another host has the key: true
	// not sent there: true
}

// Credential is for calls that neither Client nor Transport can make, such as
// those of a protocol other than HTTP. It refreshes the token if that is due. The
// credential redacts itself when it is printed.
func ExampleMiddleware_Credential() {
	sessions, _, ecgrid := exampleSessions() // in front of a fake ECGrid
	defer ecgrid.Close()
	app := http.NewServeMux()
	app.Handle("/login", sessions.LoginHandler())
	app.Handle("/", sessions.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		credential, err := sessions.Credential(r.Context())
		if errors.Is(err, ecgridsession.ErrNoSession) {
			http.Error(w, "sign in first", http.StatusUnauthorized)
			return
		}
		fmt.Fprintln(w, credential, credential.UserID, credential.Token != "")
	})))

	browser := browse(app)
	fmt.Println(browser.get("/"))
	browser.signIn()
	fmt.Println(browser.get("/"))
	// Output:
	// 401 sign in first
	// 200 credential(bearer, redacted) 1042 true
}

// Background work has no request. It is given its own credential.
func ExampleMiddleware_WithCredential() {
	sessions, _, ecgrid := exampleSessions() // in front of a fake ECGrid
	defer ecgrid.Close()
	nightly := func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		call, err := http.NewRequestWithContext(ctx, http.MethodPost, ecgrid.URL+"/v2/parcels/inbox-list", nil)
		if err != nil {
			return err
		}
		resp, err := sessions.Client().Do(call)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		fmt.Println(resp.Status)
		return err
	}

	key := ecgridsession.Credential{APIKey: "alices-api-key"} // from where the app keeps its passwords
	fmt.Println(nightly(sessions.WithCredential(context.Background(), key)))
	fmt.Println(errors.Is(nightly(context.Background()), ecgridsession.ErrNoSession))
	// Output:
	// 200 OK
	// <nil>
	// true
}

// A credential that slips into a log line is no incident.
func ExampleCredential() {
	c := ecgridsession.Credential{Token: "eyJhbGciOiJIUzI1NiJ9.e30.c2ln", UserID: 1042}
	fmt.Printf("%v %+v %q\n", c, c, c)
	// Output: credential(bearer, redacted) credential(bearer, redacted) credential(bearer, redacted)
}

// An API gateway lets scripts on the app's pages call ECGrid under the app's own
// origin. ECGrid never sees the session's cookie, and scripts never see the token.
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
