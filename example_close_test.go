package ecgridsession_test

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// A sign-out during an outage of ECGrid goes on in the background. Close waits
// for that; an app calls it when its server has shut down.
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
