package main

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

//go:embed pages/*.html
var pageFiles embed.FS

var pageTemplates = template.Must(template.New("").Funcs(template.FuncMap{
	"clock":  clock,
	"size":   size,
	"status": statusWords,
	"noCall": func() call { return call{} },
}).ParseFS(pageFiles, "pages/*.html"))

// page is what any of the pages shows. None of it is a secret: what the landing
// says of the demo user is what the program prints when it starts.
type page struct {
	Title string
	Now   time.Time

	Session *ecgridsession.Session // nil: nobody is signed in
	Parcels []parcel
	Failed  bool // the inbox could not be had
	Full    bool // there may be more parcels than are shown

	Demo  *ecgridtest.User // nil with the real ECGrid
	Panel *panel           // nil with the real ECGrid
}

// TokenLeft is how long the token is still good for.
func (p page) TokenLeft() time.Duration { return p.Session.TokenExpiresAt.Sub(p.Now) }

// SessionLeft is how long the session may still last.
func (p page) SessionLeft() time.Duration { return p.Session.EndsAt.Sub(p.Now) }

// IdleLeft is how long the session lasts if its user does nothing more.
func (p page) IdleLeft() time.Duration { return p.Session.IdleEndsAt.Sub(p.Now) }

// home is the landing page or, with a session, the inbox.
func (a *app) home(w http.ResponseWriter, r *http.Request) {
	if _, signedIn := a.m.Session(r.Context()); !signedIn {
		a.render(w, r, http.StatusOK, "landing.html", page{Title: "Your ECGrid inbox"})
		return
	}
	parcels, err := a.parcels(r.Context())
	session, signedIn := a.m.Session(r.Context())
	switch {
	case !signedIn:
		// ECGrid refused the credential, or another tab signed out meanwhile.
		a.render(w, r, http.StatusUnauthorized, "ended.html", page{Title: "Your session has ended"})
	case err != nil:
		a.logger.WarnContext(r.Context(), "the inbox could not be loaded", "session", session.Ref, "error", err)
		a.render(w, r, http.StatusBadGateway, "inbox.html", page{Title: "Inbox", Session: &session, Failed: true})
	default:
		a.render(w, r, http.StatusOK, "inbox.html", page{
			Title: "Inbox", Session: &session, Parcels: parcels, Full: len(parcels) >= pageSize,
		})
	}
}

func (a *app) notFound(w http.ResponseWriter, r *http.Request) {
	p := page{Title: "Page not found"}
	if session, signedIn := a.m.Session(r.Context()); signedIn {
		p.Session = &session
	}
	a.render(w, r, http.StatusNotFound, "not_found.html", p)
}

// render writes a page whole or not at all.
func (a *app) render(w http.ResponseWriter, r *http.Request, status int, name string, p page) {
	p.Now = time.Now()
	if a.grid != nil {
		beside := a.grid.panel()
		p.Panel, p.Demo = &beside, &demo
	}
	var body bytes.Buffer
	if err := pageTemplates.ExecuteTemplate(&body, name, p); err != nil {
		a.logger.ErrorContext(r.Context(), "a page could not be rendered", "page", name, "error", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	// Back must not show the inbox after sign-out.
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		w.Write(body.Bytes()) // the browser may have gone: there is nobody to tell
	}
}

// clock writes a duration as 7:59:08, or 14:32 under an hour, as the script
// does.
func clock(d time.Duration) string {
	seconds := max(int64(d/time.Second), 0)
	if seconds >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
	}
	return fmt.Sprintf("%d:%02d", seconds/60, seconds%60)
}

// size writes bytes as people do.
func size(bytes int64) string {
	switch {
	case bytes < 1000:
		return fmt.Sprintf("%d B", bytes)
	case bytes < 1000*1000:
		return fmt.Sprintf("%.1f kB", float64(bytes)/1000)
	default:
		return fmt.Sprintf("%.1f MB", float64(bytes)/(1000*1000))
	}
}

// statusWords shortens what ECGrid calls the states of a parcel, all of which
// begin with the box that it is in.
func statusWords(status string) string {
	return strings.TrimPrefix(status, "InBox")
}
