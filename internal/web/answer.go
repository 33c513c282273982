package web

import "net/http"

// Fail answers with Config.ErrorHandler, or with a page or JSON that says in
// fixed words what is the matter. err goes to ErrorHandler alone: the words of
// our own answer are chosen by it and never taken from it (ASVS 5.0, 16.5.1).
func (a *Answers) Fail(w http.ResponseWriter, r *http.Request, status int, err error, words Wording) {
	NoStore(w)
	if a.OnError != nil {
		a.OnError(w, r, status, err)
		return
	}
	// htmx gets no page, which it would put into the middle of another.
	if ShowsPages(r) {
		data := PageData{Title: words.Title, Text: words.Text, Back: a.Out}
		if words.Again && r.Method == http.MethodGet {
			data.Again = a.sameAddress(r)
		}
		// A navigation is sent to sign-in. What comes here was posted.
		if status == http.StatusUnauthorized && r.Method != http.MethodGet && r.Method != http.MethodHead {
			data.In = a.In
		}
		a.Page(w, r, status, pageFailure, data)
		return
	}
	WriteJSON(w, status, struct {
		Error string `json:"error"`
	}{words.Code})
}

// Wording is how one kind of failure is told: to scripts, and to people.
// Scripts compare the code, so it is part of what an app may rely on. Again offers
// another try at the same address.
type Wording struct {
	Code, Title, Text string
	Again             bool
}

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
