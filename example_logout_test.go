package ecgridsession_test

import (
	"fmt"
	"net/http"

	"github.com/ecgrid-contrib/ecgridsession"
)

// The handler signs out by a POST from this site, and shows a page with a button
// otherwise. No copy of the cookie opens the session after that, and ECGrid
// takes its token no more.
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

// An app that signs out in a handler of its own learns what became of the token
// at ECGrid. The user is signed out here whatever that is.
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
// resets a user's tokens for some callers only; where it refuses, the sessions
// of this app have ended all the same.
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

// The handler of it never signs out by a link.
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
	fmt.Println("the button:", laptop.post("/logout-everywhere", ""))
	fmt.Println("phone:", phone.get("/session"))
	// Output:
	// the page: 200
	// the button: 303 /
	// phone: 401 {"authenticated":false}
}

// The outcomes have names that are fit for logs.
func ExampleLogoutOutcome() {
	fmt.Println(ecgridsession.LogoutNone, ecgridsession.LogoutConfirmed, ecgridsession.LogoutAlreadyInvalid,
		ecgridsession.LogoutPending, ecgridsession.LogoutRefused)
	// Output: none confirmed already-invalid pending refused
}
