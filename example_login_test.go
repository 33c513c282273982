package ecgridsession_test

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/ecgrid-contrib/ecgridsession"
)

// The handler brings the form, the checks and the answers.
func ExampleMiddleware_LoginHandler() {
	sessions, _, ecgrid := exampleSessions() // in front of a fake ECGrid
	defer ecgrid.Close()
	app := http.NewServeMux()
	app.Handle("/login", sessions.LoginHandler())

	browser := browse(app)
	fmt.Println("the form:", browser.get("/login"))
	fmt.Println("a wrong password:", browser.post("/login", "login=alice&password=guess"))
	fmt.Println("the right one:", browser.post("/login", "login=alice&password=correct+horse"))
	fmt.Println("an API key:", browser.post("/login", "api_key=alices-api-key"))
	// Output:
	// the form: 200
	// a wrong password: 401
	// the right one: 303 /
	// an API key: 303 /
}

// An app with a form of its own calls Login. It then has to keep other sites'
// forms away itself, for which net/http has a handler.
func ExampleMiddleware_Login() {
	sessions, _, ecgrid := exampleSessions() // in front of a fake ECGrid
	defer ecgrid.Close()
	app := http.NewServeMux()
	app.HandleFunc("POST /enter", func(w http.ResponseWriter, r *http.Request) {
		session, err := sessions.Login(w, r, r.PostFormValue("login"), r.PostFormValue("password"))
		var upstream *ecgridsession.UpstreamError
		switch {
		case err == nil:
			fmt.Fprintln(w, "Hello", session.Login)
		case errors.As(err, &upstream) && upstream.StatusCode == http.StatusUnauthorized:
			http.Error(w, "That is not your password.", http.StatusUnauthorized)
		default:
			http.Error(w, "Please try again in a moment.", http.StatusServiceUnavailable)
		}
	})
	site := http.NewCrossOriginProtection().Handler(sessions.Wrap(app))

	browser := browse(site)
	fmt.Println(browser.post("/enter", "login=alice&password=guess"))
	fmt.Println(browser.post("/enter", "login=alice&password=correct+horse"))
	// Output:
	// 401 That is not your password.
	// 200 Hello alice
}

// An app that has the user's API key, or a token from elsewhere, calls Start,
// which asks ECGrid whose it is.
func ExampleMiddleware_Start() {
	sessions, _, ecgrid := exampleSessions() // in front of a fake ECGrid
	defer ecgrid.Close()
	app := http.NewServeMux()
	app.HandleFunc("POST /by-key", func(w http.ResponseWriter, r *http.Request) {
		session, err := sessions.Start(w, r, ecgridsession.Credential{APIKey: r.PostFormValue("key")})
		if err != nil {
			http.Error(w, "That key does not work.", http.StatusUnauthorized)
			return
		}
		fmt.Fprintln(w, session.Login, "has the number", session.UserID)
	})
	site := http.NewCrossOriginProtection().Handler(sessions.Wrap(app))

	browser := browse(site)
	fmt.Println(browser.post("/by-key", "key=somebody's"))
	fmt.Println(browser.post("/by-key", "key=alices-api-key"))
	// Output:
	// 401 That key does not work.
	// 200 alice has the number 1042
}
