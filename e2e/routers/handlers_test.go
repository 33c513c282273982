package routers_test

import (
	"io"
	"net/http"
)

// These are the app's handlers for the routers that take those of net/http.

func (a *app) home(w http.ResponseWriter, r *http.Request) {
	io.WriteString(w, a.greeting(r.Context()))
}

func (a *app) inbox(w http.ResponseWriter, r *http.Request) {
	a.private.Add(1)
	parcels, err := a.parcels(r.Context())
	if err != nil {
		http.Error(w, "ECGrid cannot be reached.", http.StatusBadGateway)
		return
	}
	w.Write(parcels)
}

func (a *app) events(w http.ResponseWriter, r *http.Request) {
	a.private.Add(1)
	w.Header().Set("Content-Type", "text/event-stream")
	a.stream(r.Context(), w, w.(http.Flusher).Flush)
}

func (a *app) signIn(w http.ResponseWriter, r *http.Request) {
	if _, err := a.sessions.Login(w, r, r.FormValue("login"), r.FormValue("password")); err != nil {
		http.Error(w, "Not signed in", http.StatusUnauthorized)
		return
	}
	io.WriteString(w, a.greeting(r.Context()))
}

func (a *app) signOut(w http.ResponseWriter, r *http.Request) {
	a.private.Add(1)
	if _, err := a.sessions.Logout(w, r); err != nil {
		http.Error(w, "Sign-out not confirmed", http.StatusServiceUnavailable)
		return
	}
	io.WriteString(w, a.greeting(r.Context()))
}
