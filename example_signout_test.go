package ecgridsession_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// LogoutHandler signs out by a POST from this site, and shows a page with a button
// otherwise. After that no copy of the cookie opens the session, and ECGrid
// rejects its token.
func ExampleMiddleware_LogoutHandler() {
	sessions, api, ecgrid := exampleSessions() // in front of a fake ECGrid
	defer ecgrid.Close()
	app := http.NewServeMux()
	app.Handle("/login", sessions.LoginHandler())
	app.Handle("/logout", sessions.LogoutHandler())
	app.Handle("/", sessions.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "private")
	})))

	browser := browse(app)
	browser.signIn()
	thief := browser.copied()
	fmt.Println("a link:", browser.get("/logout"), "- tokens:", api.LiveTokens(1042))
	fmt.Println("the button:", browser.post("/logout", ""), "- tokens:", api.LiveTokens(1042))
	fmt.Println("a copy of the cookie:", thief.get("/"))
	// Output:
	// a link: 200 - tokens: 1
	// the button: 303 / - tokens: 0
	// a copy of the cookie: 303 /login
}

// An app that signs out in its own handler learns what happened to the token at
// ECGrid. The user is signed out here in any case.
func ExampleMiddleware_Logout() {
	sessions, _, ecgrid := exampleSessions() // in front of a fake ECGrid
	defer ecgrid.Close()
	app := http.NewServeMux()
	app.Handle("/login", sessions.LoginHandler())
	app.HandleFunc("POST /leave", func(w http.ResponseWriter, r *http.Request) {
		outcome, err := sessions.Logout(w, r)
		if err != nil { // ErrLogoutUnconfirmed
			http.Error(w, "Sign-out is not confirmed. Please try again.", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "Signed out; at ECGrid:", outcome)
	})
	site := http.NewCrossOriginProtection().Handler(sessions.Wrap(app))

	browser := browse(site)
	browser.signIn()
	fmt.Println(browser.post("/leave", ""))
	fmt.Println(browser.post("/leave", ""))
	// Output:
	// 200 Signed out; at ECGrid: confirmed
	// 200 Signed out; at ECGrid: none
}

// LogoutEverywhere ends the sessions on the user's other devices, too. ECGrid
// resets a user's tokens for some callers only. If it refuses, the sessions of
// this app have ended anyway.
func ExampleMiddleware_LogoutEverywhere() {
	sessions, _, ecgrid := exampleSessions() // in front of a fake ECGrid
	defer ecgrid.Close()
	app := http.NewServeMux()
	app.Handle("/login", sessions.LoginHandler())
	app.HandleFunc("POST /leave-all", func(w http.ResponseWriter, r *http.Request) {
		outcome, err := sessions.LogoutEverywhere(w, r)
		fmt.Fprintln(w, outcome, err)
	})
	app.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		_, ok := sessions.Session(r.Context())
		fmt.Fprintln(w, "signed in:", ok)
	})
	site := http.NewCrossOriginProtection().Handler(sessions.Wrap(app))

	laptop, phone := browse(site), browse(site)
	laptop.signIn()
	phone.signIn()
	fmt.Println(laptop.post("/leave-all", ""))
	fmt.Println("phone:", phone.get("/"))
	// Output:
	// 200 refused <nil>
	// phone: 200 signed in: false
}

// LogoutEverywhereHandler never signs out by a link.
func ExampleMiddleware_LogoutEverywhereHandler() {
	sessions, _, ecgrid := exampleSessions() // in front of a fake ECGrid
	defer ecgrid.Close()
	app := http.NewServeMux()
	app.Handle("/login", sessions.LoginHandler())
	app.Handle("/logout-everywhere", sessions.LogoutEverywhereHandler())
	app.Handle("/session", sessions.SessionHandler())

	laptop, phone := browse(app), browse(app)
	laptop.signIn()
	phone.signIn()
	fmt.Println("the page:", laptop.get("/logout-everywhere"))
	// A page, and no redirect: this user may not reset sessions at ECGrid.
	fmt.Println("the button:", laptop.post("/logout-everywhere", ""))
	fmt.Println("phone:", phone.get("/session"))
	// Output:
	// the page: 200
	// the button: 200
	// phone: 401 {"authenticated":false}
}

// The outcomes have names that are fit for logs.
func ExampleLogoutOutcome() {
	fmt.Println(ecgridsession.LogoutNone, ecgridsession.LogoutConfirmed, ecgridsession.LogoutAlreadyInvalid,
		ecgridsession.LogoutPending, ecgridsession.LogoutRefused)
	// Output: none confirmed already-invalid pending refused
}

// A stream ends with its session. Here a sign-out in another tab ends it.
func ExampleMiddleware_EndWithSession() {
	sessions, _, ecgrid := exampleSessions() // in front of a fake ECGrid
	defer ecgrid.Close()
	streaming := make(chan struct{})
	app := http.NewServeMux()
	app.Handle("/login", sessions.LoginHandler())
	app.Handle("/logout", sessions.LogoutHandler())
	app.Handle("/stream", sessions.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := sessions.EndWithSession(r.Context())
		defer cancel()
		fmt.Fprint(w, "news, ")
		close(streaming) // an app would send on, until ctx is done
		<-ctx.Done()
		if errors.Is(context.Cause(ctx), ecgridsession.ErrSessionEnded) {
			fmt.Fprint(w, "and no more: signed out")
		}
	})))

	browser := browse(app)
	browser.signIn()
	tab, seen := browser.copied(), make(chan string)
	go func() { seen <- tab.get("/stream") }()
	<-streaming
	browser.post("/logout", "")
	fmt.Println(<-seen)
	// Output: 200 news, and no more: signed out
}

// A sign-out during an outage of ECGrid continues in the background. Close waits
// for that. An app calls it when its server has shut down.
func ExampleMiddleware_Close() {
	sessions, api, ecgrid := exampleSessions() // in front of a fake ECGrid
	defer ecgrid.Close()
	app := http.NewServeMux()
	app.Handle("/login", sessions.LoginHandler())
	app.Handle("/logout", sessions.LogoutHandler())

	browser := browse(app)
	browser.signIn()
	api.Inject(ecgridtest.Fault{Path: "/v2/auth/logout", Times: 1, Status: http.StatusServiceUnavailable})
	fmt.Println(browser.post("/logout", ""), "- tokens:", api.LiveTokens(1042))

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	fmt.Println(sessions.Close(ctx), "- tokens:", api.LiveTokens(1042))
	// Output:
	// 303 / - tokens: 1
	// <nil> - tokens: 0
}

// Events are for audit logs and metrics. No field of one is a secret.
func ExampleEvent() {
	sessions, _, ecgrid := exampleSessions(func(cfg *ecgridsession.Config) {
		cfg.OnEvent = func(_ context.Context, e ecgridsession.Event) {
			fmt.Println(e.Kind, e.Session.Login, e.Outcome)
		}
	})
	defer ecgrid.Close()
	app := http.NewServeMux()
	app.Handle("/login", sessions.LoginHandler())
	app.Handle("/logout", sessions.LogoutHandler())

	browser := browse(app)
	browser.signIn()
	browser.post("/logout", "")
	// Output:
	// session-started alice none
	// logged-out alice confirmed
}
