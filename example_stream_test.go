package ecgridsession_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/ecgrid-contrib/ecgridsession"
)

// A stream ends with its session: here by a sign-out in another tab.
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
