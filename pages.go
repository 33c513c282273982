package ecgridsession

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"html/template"
	"net/http"
)

//go:embed pages/*.html
var pageFiles embed.FS

//go:embed pages/page.css
var pageStyle string

var pageTemplates = template.Must(template.ParseFS(pageFiles, "pages/*.html"))

// The pages, by the names of their templates.
const (
	pageSignIn            = "sign_in.html"
	pageSignOut           = "sign_out.html"
	pageSignOutEverywhere = "sign_out_everywhere.html"
	pageFailure           = "failure.html"
)

var pageTitles = map[string]string{
	pageSignIn:            "Sign in",
	pageSignOut:           "Sign out",
	pageSignOutEverywhere: "Sign out everywhere",
}

// pagePolicy lets a page have its own style sheet and post to its own site, and
// nothing else: no script, no frame around it (ASVS 5.0, 3.4.3 and 3.4.6).
var pagePolicy = func() string {
	sum := sha256.Sum256([]byte(pageStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}()

// pageData is what a page shows. None of it is a secret.
type pageData struct {
	Title   string
	Text    string
	Problem string // why the form is shown again
	Invalid bool   // what the user typed is the reason
	Login   string // what the user typed
	ByKey   bool   // the user tried an API key
	Back    string // the way out, a path on this site
	Style   template.CSS
}

// renderPage writes a page that no cache keeps and no other site can frame.
func (m *Middleware) renderPage(w http.ResponseWriter, r *http.Request, status int, page string, data pageData) {
	data.Style = template.CSS(pageStyle)
	if data.Title == "" {
		data.Title = pageTitles[page]
	}
	if data.Back == "" {
		data.Back = m.cfg.AfterLogin
	}
	var body bytes.Buffer
	if err := pageTemplates.ExecuteTemplate(&body, page, data); err != nil {
		m.cfg.Logger.ErrorContext(r.Context(), "ecgridsession: a page could not be rendered", "page", page, "error", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	noStore(w)
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	// Not "no-referrer", by which browsers send Origin: null with the form.
	h.Set("Referrer-Policy", "same-origin")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		w.Write(body.Bytes())
	}
}
