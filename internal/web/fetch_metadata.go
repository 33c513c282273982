package web

import (
	"net/http"
	"strings"
)

// What a request says of itself by Fetch Metadata (W3C, "Fetch Metadata Request
// Headers"). Browsers send it to https and to localhost, and pages cannot forge
// it; nothing here trusts its absence.

// HasFetchMetadata tells whether the request says anything at all.
func HasFetchMetadata(r *http.Request) bool {
	h := r.Header
	return h.Get("Sec-Fetch-Dest") != "" || h.Get("Sec-Fetch-Mode") != "" || h.Get("Sec-Fetch-Site") != ""
}

// IsSubresource reports whether the answer is to become a part of a page, such
// as an image or a script. A frame is a page: somebody works in it. No cookie is
// set on the answer to a subresource (package request).
func IsSubresource(r *http.Request) bool {
	dest := r.Header["Sec-Fetch-Dest"] // not Get: this runs on every request with a session
	if len(dest) == 0 {
		return false
	}
	switch dest[0] {
	case "", "document", "empty", "iframe", "frame":
		return false
	default: // embed and object show pages, too
		return r.Header.Get("Sec-Fetch-Mode") != "navigate"
	}
}

// Target is what the browser asked for: path and query. It is RequestURI and not
// URL, because http.StripPrefix takes off what a way back needs. Adapters that
// build a request leave RequestURI empty.
func Target(r *http.Request) string {
	if r.RequestURI == "" {
		return r.URL.RequestURI()
	}
	return r.RequestURI
}

// IsClick proves that a person on a page of this site followed a link here: not
// another site, a prefetch, a script or an image. Each line excludes one of
// them: same-origin a link of another site or a sibling, navigate and document
// what scripts, images and frames fetch, ?1 what a script navigates to without
// a person, Sec-Purpose a prefetch or prerender of a link that nobody has
// followed yet (ASVS 5.0, 3.5.3). A client without Fetch Metadata proves
// nothing and gets the button.
func IsClick(r *http.Request) bool {
	h := r.Header
	return r.Method == http.MethodGet &&
		h.Get("Sec-Fetch-Site") == "same-origin" &&
		h.Get("Sec-Fetch-Mode") == "navigate" &&
		h.Get("Sec-Fetch-Dest") == "document" &&
		h.Get("Sec-Fetch-User") == "?1" &&
		h.Get("Sec-Purpose") == ""
}

// IsNavigation tells whether a browser is to show the answer, so that it can be
// sent to another page. A form's POST is none: where it was sent to would be
// asked for by GET after sign-in.
func IsNavigation(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead || IsHTMX(r) {
		return false
	}
	// The browser's word is better than its Accept, which scripts set as they
	// like.
	if HasFetchMetadata(r) {
		return r.Header.Get("Sec-Fetch-Mode") == "navigate"
	}
	return AcceptsHTML(r)
}

// IsScript tells whether a script will read the answer, which a redirect would
// lead to a page that it has no use for. A client that says nothing, such as
// curl, is treated as a browser.
func IsScript(r *http.Request) bool {
	if strings.Contains(r.Header.Get("Accept"), "application/json") && !AcceptsHTML(r) {
		return true
	}
	return r.Header.Get("Sec-Fetch-Dest") == "empty"
}

// IsHTMX tells whether htmx sent the request: it follows HX-Redirect.
func IsHTMX(r *http.Request) bool { return r.Header.Get("HX-Request") == "true" }

// AcceptsHTML reports whether the client names HTML among what it takes.
func AcceptsHTML(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}
