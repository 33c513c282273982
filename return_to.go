package ecgridsession

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/ecgrid-contrib/ecgridsession/internal/localpath"
	"github.com/ecgrid-contrib/ecgridsession/internal/web"
)

// The way to the sign-in page and back.

// loginURLFor is the sign-in page that leads back to r. A target that is no
// place to return to is left out, and sign-in then ends at Config.AfterLogin.
// The check is made here and again at sign-in, because what comes back has been
// in the browser's hands.
func (c Config) loginURLFor(r *http.Request) string {
	target := web.Target(r)
	if !c.validReturn(target) || target == c.AfterLogin {
		return c.LoginURL
	}
	login, err := url.Parse(c.LoginURL)
	if err != nil {
		return c.LoginURL
	}
	query := login.Query()
	// Encoded with whatever the URL of the app's own sign-in page has already.
	query.Set("return_to", target)
	login.RawQuery = query.Encode()
	return login.String()
}

// validReturn reports whether a browser may be sent to target after sign-in: a
// path on this site that does not itself sign in or out. A way back to sign-in
// would lead in a circle, and one to sign-out would end the session that has
// just begun.
func (c Config) validReturn(target string) bool {
	return localpath.Valid(target) &&
		!localpath.SamePath(target, c.LoginURL) &&
		!localpath.SamePath(target, c.LogoutURL)
}

// returnTo is where a browser goes after sign-in. Given twice, it does
// not come from our own pages, and is ignored. The form goes before the query.
// Our own page posts to its own URL, which has it in the query, and an app's page
// may have a field for it.
func (c Config) returnTo(r *http.Request) string {
	query, err := url.ParseQuery(r.URL.RawQuery)
	inForm, inQuery := r.PostForm["return_to"], query["return_to"]
	if err != nil || len(inForm) > 1 || len(inQuery) > 1 {
		return c.AfterLogin
	}
	targets := slices.Concat(inForm, inQuery)
	if len(targets) == 0 || !c.validReturn(targets[0]) {
		return c.AfterLogin
	}
	return targets[0]
}
