package routers_test

import (
	"io"
	"net/http"
)

// These are the app's handlers for the routers that take those of net/http.

func (a *app) home(w http.ResponseWriter, r *http.Request) {
	cached(w.Header(), r)
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

// cached does to the header, where a request asks for it, what no answer with the
// session's cookie may have.
func cached(header http.Header, r *http.Request) {
	if r.URL.Query().Has("cached") {
		header.Set("Set-Cookie", "theme=dark") // which takes out any other
		header.Set("Cache-Control", "public, max-age=60")
		header.Set("CDN-Cache-Control", "public, max-age=60")
	}
}
