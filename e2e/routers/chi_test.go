package routers_test

import (
	"net/http"

	"github.com/go-chi/chi/v5"
)

func onChi(a *app) http.Handler {
	router := chi.NewRouter()
	router.Use(a.sessions.Wrap)
	router.Handle("/login", a.sessions.LoginHandler())
	router.Handle("/logout", a.sessions.LogoutHandler())
	router.Get("/", a.home)
	router.Post("/my/sign-in", a.signIn)

	router.Group(func(private chi.Router) {
		private.Use(a.sessions.Require)
		private.Get("/inbox", a.inbox)
		private.Get("/events", a.events)
		private.Post("/my/sign-out", a.signOut)
	})
	return router
}
