package load

import (
	"io"
	"net/http"
	"strconv"
	"strings"
)

// user is who a request comes from, and the token that acts for them; the zero
// user is nobody.
type user struct{ login, token string }

// page is the one page of the app. It names the user and says how long their
// token is; the apps differ in how they know.
func page(who func(*http.Request) user) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, pageFor(who(r)))
	})
}

func pageFor(u user) string {
	line := `<a href="/login">Sign in</a>`
	if u != (user{}) {
		line = "Signed in as " + u.login + ", with a token of " + strconv.Itoa(len(u.token)) + " bytes."
	}
	return pageHead + line + pageFoot
}

const pageHead = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Parcels</title>
<link rel="stylesheet" href="/static/app.css">
<h1>Parcels</h1>
<p>`

const pageFoot = `</p>
<table>
<tr><th>From<th>File<th>Bytes<th>Status
<tr><td>Acme<td>850-4711.edi<td>1924<td>InBoxReady
<tr><td>Acme<td>850-4712.edi<td>2212<td>InBoxReady
<tr><td>Globex<td>810-0815.edi<td>3140<td>InBoxTransferred
</table>
</html>
`

// staticFile is what a page brings along: a style sheet of a few kilobytes.
const staticFile = "app.css"

var staticContent = strings.Repeat("table { border-collapse: collapse; }\nth, td { text-align: left; }\n", 64)
