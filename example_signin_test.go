package ecgridsession_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// LoginHandler brings the form, the checks and the answers.
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

// An app with its own form calls Login. It then has to reject the forms of other
// sites itself. net/http has a handler for that.
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

// An app that has the user's API key, or a token from elsewhere, calls Start.
// Start asks ECGrid whose it is.
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

// Wrap lets every page know who is signed in, and rejects no request.
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

// Require lets only signed-in requests through. A browser is sent to the sign-in
// page, and back to the page that it asked for.
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

// A Session may be shown to its user, and logged. No field of it is a secret.
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

// The rest of this file is the set-up of all examples. They sign in as alice at a
// fake ECGrid and print what her browser sees.

// fakeECGrid is ECGrid with one user.
func fakeECGrid() (api *ecgridtest.API, server *httptest.Server) {
	api = ecgridtest.NewAPI()
	api.AddUser(ecgridtest.User{ID: 1042, Login: "alice", Password: "correct horse", APIKey: "alices-api-key"})
	return api, httptest.NewServer(api)
}

// newKey is what an app reads from where it keeps its passwords.
func newKey() []byte {
	key := make([]byte, 32)
	rand.Read(key)
	return key
}

// exampleSessions is a Middleware in front of a fake ECGrid.
func exampleSessions(changes ...func(*ecgridsession.Config)) (*ecgridsession.Middleware, *ecgridtest.API, *httptest.Server) {
	api, server := fakeECGrid()
	cfg := ecgridsession.Config{
		Upstream: server.URL,
		Keys:     [][]byte{newKey()},
		Logger:   slog.New(slog.DiscardHandler),
	}
	for _, change := range changes {
		change(&cfg)
	}
	sessions, err := ecgridsession.New(cfg)
	if err != nil {
		panic(err)
	}
	return sessions, api, server
}

// exampleBrowser is a browser in front of an app, without a network in between.
type exampleBrowser struct {
	app     http.Handler
	cookies map[string]string
}

func browse(app http.Handler) *exampleBrowser {
	return &exampleBrowser{app: app, cookies: make(map[string]string)}
}

// get and post return the status and what the answer says, or where it leads.
func (v *exampleBrowser) get(path string) string { return v.do(http.MethodGet, path, "") }

func (v *exampleBrowser) post(path, form string) string { return v.do(http.MethodPost, path, form) }

// signIn signs alice in.
func (v *exampleBrowser) signIn() string {
	return v.post("/login", url.Values{"login": {"alice"}, "password": {"correct horse"}}.Encode())
}

func (v *exampleBrowser) do(method, path, form string) string {
	r := httptest.NewRequest(method, path, strings.NewReader(form))
	r.Header.Set("Accept", "text/html")
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range v.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	v.app.ServeHTTP(w, r)
	for _, cookie := range w.Result().Cookies() {
		if cookie.MaxAge < 0 {
			delete(v.cookies, cookie.Name)
		} else {
			v.cookies[cookie.Name] = cookie.Value
		}
	}
	said := w.Header().Get("Location")
	if said == "" && !strings.Contains(w.Body.String(), "<html") {
		said = strings.TrimSpace(w.Body.String())
	}
	return strings.TrimSpace(fmt.Sprint(w.Code, " ", said))
}

// copied is another browser with a copy of the cookies, such as a thief's.
func (v *exampleBrowser) copied() *exampleBrowser {
	other := browse(v.app)
	for name, value := range v.cookies {
		other.cookies[name] = value
	}
	return other
}
