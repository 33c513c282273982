package web

import (
	"net/http"
	"net/url"
	"strings"
)

// What a request says of itself by Fetch Metadata (W3C, "Fetch Metadata Request
// Headers"). Browsers send it to https and to localhost, and pages cannot forge
// it; nothing here trusts its absence.

// IsSubresource reports whether the answer is to become a part of a page, such
// as an image or a script. A frame is a page: people work in it. No cookie is
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

// Came returns the page that htmx sent the request from, as path and query, or ""
// if it is not known to be a page of this site. Sec-Fetch-Site proves it where
// there is Fetch Metadata. Without it the page's host has to be the request's. A
// page of the history, for which htmx 4 names no page, is the way back to itself.
func Came(r *http.Request) string {
	given := r.Header.Get("HX-Current-URL")
	if given == "" && restoresHistory(r) {
		return Target(r)
	}
	page, err := url.Parse(given)
	if err != nil || page.Host == "" {
		return ""
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin":
	case "":
		if !strings.EqualFold(page.Host, r.Host) {
			return ""
		}
	default:
		return ""
	}
	return page.RequestURI()
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

// IsNavigation reports whether a browser is to show the answer, so that it can be
// sent to another page. A form's POST is none, because the address it was sent to
// would be asked for by GET after sign-in.
func IsNavigation(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && ShowsPages(r)
}

// ShowsPages reports whether a person will see the answer as a page. Navigate is
// the browser itself, whatever Sec-Fetch-Dest says: a service worker that passes
// a navigation on sends "empty". Scripts that name HTML, as Turbo and Unpoly do,
// put the page that they get in the place of the one that is there. htmx puts
// the answer into the middle of a page.
func ShowsPages(r *http.Request) bool {
	if IsHTMX(r) {
		return false
	}
	return r.Header.Get("Sec-Fetch-Mode") == "navigate" || AcceptsHTML(r)
}

// IsScript reports whether a script will read the answer, and has no use for the
// page that a redirect leads to. A client that says nothing, such as curl, is
// treated as a browser.
func IsScript(r *http.Request) bool {
	if ShowsPages(r) || IsHTMX(r) {
		return false
	}
	return strings.Contains(r.Header.Get("Accept"), "application/json") || r.Header.Get("Sec-Fetch-Dest") == "empty"
}

// IsFrame reports whether the answer is to be shown in a frame of a page. A policy
// about frames binds object and embed as well.
func IsFrame(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Dest") {
	case "iframe", "frame", "object", "embed", "fencedframe":
		return true
	default:
		return false
	}
}

// MayBeFrame reports whether a service worker has passed a navigation on. It does
// not say whether the navigation is a frame's.
func MayBeFrame(r *http.Request) bool {
	return r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "empty"
}

// IsHTMX reports whether htmx sent the request: it follows HX-Redirect. htmx 4
// asks for a page of the history without HX-Request, and htmx 2 may do so.
func IsHTMX(r *http.Request) bool { return r.Header.Get("HX-Request") == "true" || restoresHistory(r) }

// restoresHistory reports whether htmx asks for a whole page of the history.
func restoresHistory(r *http.Request) bool {
	return r.Header.Get("HX-History-Restore-Request") == "true"
}

// isBoosted reports whether htmx follows a link or sends a form in place of the
// browser, and puts the answer into the body of the page that is there.
func isBoosted(r *http.Request) bool { return IsHTMX(r) && r.Header.Get("HX-Boosted") == "true" }

// AcceptsHTML reports whether the client names HTML among what it takes.
func AcceptsHTML(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}
