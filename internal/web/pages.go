package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"html/template"
	"log/slog"
	"net/http"
)

// Answers are how an app has its clients answered.
type Answers struct {
	// OnError, if not nil, takes the place of our own failure page.
	OnError func(w http.ResponseWriter, r *http.Request, status int, err error)
	Logger  *slog.Logger
	// Home is the way out of a page, and Out that of a failure.
	Home, Out string
	// In is the sign-in page.
	In string
	// MayLink reports whether a path leads to this site, however a browser reads it.
	MayLink func(target string) bool
}

// sameAddress is Target for a link of ours, or "" if a browser could read it as an
// address of another site: a request for //evil.example/ has that as its path.
func (a *Answers) sameAddress(r *http.Request) string {
	if target := Target(r); a.MayLink(target) {
		return target
	}
	return ""
}

// The pages of this package's own: sign-in, the two sign-out buttons, and
// failures. They are one file each in pages/, with one style sheet and no
// script, so that they work with JavaScript off.
// html/template escapes what is put into them; the one thing that it is told to
// trust is the style sheet, which is compiled in.

//go:embed pages/*.html
var pageFiles embed.FS

//go:embed pages/page.css
var pageStyle string

// pageTemplates are parsed when the program starts, so that a broken one fails
// there and not for a user.
var pageTemplates = template.Must(template.ParseFS(pageFiles, "pages/*.html"))

// The pages, by the names of their templates.
const (
	SignIn            = "sign_in.html"             // the sign-in form
	SignOut           = "sign_out.html"            // a button that signs out
	SignOutEverywhere = "sign_out_everywhere.html" // a button that ends all sessions of the user
	SignedOutHere     = "signed_out_here.html"     // signed out in this app, and not at ECGrid
	SignInFromFrame   = "sign_in_from_frame.html"  // a link out of the frame, to the form
	pageFailure       = "failure.html"
	pageOutOfFrame    = "out_of_frame.html" // a link out of the frame, after a sign-in that failed there
)

var pageTitles = map[string]string{
	SignIn:            "Sign in",
	SignOut:           "Sign out",
	SignOutEverywhere: "Sign out everywhere",
	SignedOutHere:     "Signed out of this app",
	SignInFromFrame:   "Sign in",
}

// pagePolicy lets a page have its own style sheet and post to its own site, and
// nothing else: no script, no frame around it (ASVS 5.0, 3.4.3 and 3.4.6).
// form-action keeps what is typed from being posted elsewhere by injected
// markup, base-uri from being led there by relative links.
func pagePolicy(ancestors string) string {
	sum := sha256.Sum256([]byte(pageStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; form-action 'self'; base-uri 'none'; frame-ancestors " + ancestors
}

// A page in a frame of this site must be one that the frame may show. Passwords are
// typed in a window of its own, whose address the person can see, so a frame gets a
// link to the form. If a service worker hides whether it is a frame, the page is
// whole, and this site may frame it. Other sites never may.
var (
	unframed   = pagePolicy("'none'")
	framedByUs = pagePolicy("'self'")
)

// PageData is what a page shows. None of it is a secret.
type PageData struct {
	Title   string
	Text    string
	Problem string // why the form is shown again
	Invalid bool   // what the user typed is the reason
	Login   string // what the user typed
	ByKey   bool   // the user tried an API key
	Back    string // the way out, a path on this site
	Style   template.CSS

	ReturnTo string // a field of the form: where to go after sign-in
	Notice   string // why the session that was there is over
	As       string // the user who is signed in; "" for none
	SignedIn bool
	Again    string // the address of another try
	In       string // the sign-in page, for a person whose form came too late
	Alone    bool   // Turbo must load the page by itself
}

// Page writes a page that no cache keeps and no other site can frame. It
// is rendered into memory first: an error half-way then is a clean 500 and no
// torn page.
func (a *Answers) Page(w http.ResponseWriter, r *http.Request, status int, page string, data PageData) {
	// htmx would put the page's body under the app's own style sheet and policy.
	if whole := a.sameAddress(r); whole != "" && isBoosted(r) && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		NoStore(w)
		w.Header().Set("HX-Redirect", whole)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	data.Style = template.CSS(pageStyle)
	if data.Title == "" {
		data.Title = pageTitles[page]
	}
	if IsFrame(r) && page == SignIn {
		page, data.Again = pageOutOfFrame, a.In
	}
	if data.Back == "" {
		data.Back = a.Home
	}
	// Turbo puts a page under the Content-Security-Policy of the page before it,
	// which may forbid our style sheet, or into a frame that it has no part for.
	// What a POST has brought cannot be loaded again.
	data.Alone = r.Method == http.MethodGet
	var body bytes.Buffer
	if err := pageTemplates.ExecuteTemplate(&body, page, data); err != nil {
		a.Logger.ErrorContext(r.Context(), "ecgridsession: a page could not be rendered", "page", page, "error", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	NoStore(w)
	h.Set("Content-Type", "text/html; charset=utf-8")
	policy := unframed
	if IsFrame(r) || MayBeFrame(r) {
		policy = framedByUs
	}
	h.Set("Content-Security-Policy", policy)
	// ASVS 5.0, 3.4.4.
	h.Set("X-Content-Type-Options", "nosniff")
	// Not "no-referrer", by which browsers send Origin: null with the form.
	// What is in the form's URL is of no concern to other sites (ASVS 5.0,
	// 3.4.5).
	h.Set("Referrer-Policy", "same-origin")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		w.Write(body.Bytes())
	}
}
