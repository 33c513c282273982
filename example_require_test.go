package ecgridsession_test

import (
	"fmt"
	"net/http"
)

// Wrap tells every page who is signed in, and keeps nobody out.
func ExampleMiddleware_Wrap() {
	sessions, _, ecgrid := exampleSessions() // in front of a fake ECGrid
	defer ecgrid.Close()
	routes := http.NewServeMux()
	routes.Handle("/login", sessions.LoginHandler())
	routes.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if user, ok := sessions.Session(r.Context()); ok {
			fmt.Fprintln(w, "Hello", user.Login)
			return
		}
		fmt.Fprintln(w, "Hello stranger")
	})
	app := sessions.Wrap(routes)

	browser := browse(app)
	fmt.Println(browser.get("/"))
	browser.signIn()
	fmt.Println(browser.get("/"))
	// Output:
	// 200 Hello stranger
	// 200 Hello alice
}

// Require keeps strangers out. A browser is led to the sign-in page, and back to
// where it wanted to go.
func ExampleMiddleware_Require() {
	sessions, _, ecgrid := exampleSessions() // in front of a fake ECGrid
	defer ecgrid.Close()
	app := http.NewServeMux()
	app.Handle("/login", sessions.LoginHandler())
	app.Handle("/reports/", sessions.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "The reports")
	})))

	browser := browse(app)
	fmt.Println(browser.get("/reports/"))
	fmt.Println(browser.post("/login?return_to=%2Freports%2F", "login=alice&password=correct+horse"))
	fmt.Println(browser.get("/reports/"))
	// Output:
	// 303 /login?return_to=%2Freports%2F
	// 303 /reports/
	// 200 The reports
}

// A Session may be shown to its user, and logged: no field of it is a secret.
func ExampleMiddleware_Session() {
	sessions, _, ecgrid := exampleSessions() // in front of a fake ECGrid
	defer ecgrid.Close()
	app := http.NewServeMux()
	app.Handle("/login", sessions.LoginHandler())
	app.Handle("/", sessions.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := sessions.Session(r.Context())
		fmt.Fprintf(w, "%s is user %d, for %v at most", s.Login, s.UserID, s.EndsAt.Sub(s.StartedAt))
	})))

	browser := browse(app)
	browser.signIn()
	fmt.Println(browser.get("/"))
	// Output: 200 alice is user 1042, for 8h0m0s at most
}

// The page's scripts ask who is signed in, which does not prolong the session.
func ExampleMiddleware_SessionHandler() {
	sessions, _, ecgrid := exampleSessions() // in front of a fake ECGrid
	defer ecgrid.Close()
	app := http.NewServeMux()
	app.Handle("/login", sessions.LoginHandler())
	app.Handle("/session", sessions.SessionHandler())

	browser := browse(app)
	fmt.Println(browser.get("/session"))
	browser.signIn()
	answer := browser.get("/session")
	fmt.Println(answer[:len(`200 {"authenticated":true`)])
	// Output:
	// 401 {"authenticated":false}
	// 200 {"authenticated":true
}
