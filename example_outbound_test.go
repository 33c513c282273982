package ecgridsession_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"time"

	"github.com/ecgrid-contrib/ecgridsession"
)

// The client takes the user from the request's context, so one client serves
// all of them. It calls ECGrid and nobody else.
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

// Transport goes where an http.RoundTripper is asked for: into a client with a
// timeout of its own, or into a reverse proxy, which passes the user's token on
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

// What not to do: take the credential out and attach it by hand. A redirect, by
// ECGrid or by whoever can make it send one, takes it to another host.
// net/http drops Authorization on the way there, but knows nothing of X-API-Key.
// It costs the key, which outlives every session. A client on
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

// Where neither Client nor Transport will do, as for a protocol other than HTTP,
// Credential gives what the request's session has, refreshed where it is due.
// It never shows itself.
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

// Background work has no request. It is given a credential of its own.
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

// One that slips into a log line is no incident.
func ExampleCredential() {
	c := ecgridsession.Credential{Token: "eyJhbGciOiJIUzI1NiJ9.e30.c2ln", UserID: 1042}
	fmt.Printf("%v %+v %q\n", c, c, c)
	// Output: credential(bearer, redacted) credential(bearer, redacted) credential(bearer, redacted)
}
