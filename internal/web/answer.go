// Package web is what browsers and scripts say of themselves, and how they are
// answered.
package web

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
	"time"
)

// How the handlers of this package answer: with a page, JSON, a redirect or a
// header for htmx, whichever the client can use. What it can use is told by
// fetch_metadata.go; the pages are in pages.go. Wrap never comes here, since it
// never answers.

// NoStore keeps the answer out of every cache (ASVS 5.0, 14.3.2). It is called
// before anything is decided, so that an answer by Config.ErrorHandler or by
// the app has it, too.
func NoStore(w http.ResponseWriter) { w.Header().Set("Cache-Control", "no-store") }

// Answers are how an app has its clients answered.
type Answers struct {
	// OnError, if not nil, takes the place of our own failure page.
	OnError func(w http.ResponseWriter, r *http.Request, status int, err error)
	Logger  *slog.Logger
	// Home is the way out of a page, and Out that of a failure.
	Home, Out string
}

// Fail answers with Config.ErrorHandler, or with a page or JSON that says in
// fixed words what is the matter. err goes to ErrorHandler alone: the words of
// our own answer are chosen by it and never taken from it (ASVS 5.0, 16.5.1).
func (a *Answers) Fail(w http.ResponseWriter, r *http.Request, status int, err error, words Wording) {
	NoStore(w)
	if a.OnError != nil {
		a.OnError(w, r, status, err)
		return
	}
	// A fragment with the whole page in it is what htmx would make of it.
	if AcceptsHTML(r) && !IsScript(r) && !IsHTMX(r) {
		a.Page(w, r, status, pageFailure, PageData{Title: words.Title, Text: words.Text, Back: a.Out})
		return
	}
	WriteJSON(w, status, struct {
		Error string `json:"error"`
	}{words.Code})
}

// Wording is how one kind of failure is told: to scripts, and to people.
// Scripts compare the code, so it is part of what an app may rely on.
type Wording struct{ Code, Title, Text string }

// GoTo sends the client on to a path on this site, in the way that it
// understands.
func GoTo(w http.ResponseWriter, r *http.Request, target string) {
	switch {
	case IsHTMX(r):
		// A 303 would be followed unseen, and its page put where the button
		// was.
		w.Header().Set("HX-Redirect", target)
		w.WriteHeader(http.StatusNoContent)
	case IsScript(r):
		w.WriteHeader(http.StatusNoContent)
	default:
		// Not http.Redirect, which would rewrite the path by that of the
		// request; the target is checked, and relative by design.
		w.Header().Set("Location", target)
		w.WriteHeader(http.StatusSeeOther)
	}
}

// RetryLater asks clients to come back when the ledger may have. Nothing says
// how long a ledger is away: 5 seconds are short for a person, and long for
// those who come all at once.
func RetryLater(w http.ResponseWriter) { SetRetryAfter(w, 5*time.Second) }

// SetRetryAfter writes the header in whole seconds, rounded up (RFC 9110,
// 10.2.3).
func SetRetryAfter(w http.ResponseWriter, d time.Duration) {
	seconds := int((d + time.Second - 1) / time.Second)
	w.Header().Set("Retry-After", strconv.Itoa(max(seconds, 1)))
}

func WriteJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	// ASVS 5.0, 3.4.4: a login name in the JSON never passes for HTML.
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body) // the browser may have gone: there is nobody to tell
}
