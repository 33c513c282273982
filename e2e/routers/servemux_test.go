package routers_test

import "net/http"

func onServeMux(a *app) http.Handler {
	private := http.NewServeMux()
	private.HandleFunc("GET /inbox", a.inbox)
	private.HandleFunc("GET /events", a.events)
	private.HandleFunc("POST /my/sign-out", a.signOut)

	mux := http.NewServeMux()
	mux.Handle("/login", a.sessions.LoginHandler())
	mux.Handle("/logout", a.sessions.LogoutHandler())
	mux.HandleFunc("GET /{$}", a.home)
	mux.HandleFunc("POST /my/sign-in", a.signIn)
	mux.Handle("/", a.sessions.Require(private))
	return a.sessions.Wrap(mux)
}
