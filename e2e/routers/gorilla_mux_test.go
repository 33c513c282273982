package routers_test

import (
	"net/http"

	"github.com/gorilla/mux"
)

func onGorillaMux(a *app) http.Handler {
	router := mux.NewRouter()
	router.Handle("/login", a.sessions.LoginHandler())
	router.Handle("/logout", a.sessions.LogoutHandler())
	router.HandleFunc("/", a.home).Methods("GET")
	router.HandleFunc("/my/sign-in", a.signIn).Methods("POST")

	private := router.NewRoute().Subrouter()
	private.Use(a.sessions.Require)
	private.HandleFunc("/inbox", a.inbox).Methods("GET")
	private.HandleFunc("/events", a.events).Methods("GET")
	private.HandleFunc("/my/sign-out", a.signOut).Methods("POST")
	return a.sessions.Wrap(router)
}
