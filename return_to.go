package ecgridsession

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/ecgrid-contrib/ecgridsession/internal/localpath"
	"github.com/ecgrid-contrib/ecgridsession/internal/request"
)

// The way to the sign-in page and back.

// loginURLFor is the sign-in page that leads back to target and says why the
// session is over. A target that is no place to return to is left out, and sign-in
// then ends at Config.AfterLogin. The check is made here and again at sign-in,
// because what comes back has been in the browser's hands.
func (c Config) loginURLFor(target string, over request.Over) string {
	login, err := url.Parse(c.LoginURL)
	if err != nil {
		return c.LoginURL
	}
	query := login.Query()
	// An ended session is not announced: a person who has signed out knows, and the
	// sign-in page looks at the cookie itself.
	if over == request.OverIdle || over == request.OverLong {
		query.Set("over", string(over))
	}
	if c.validReturn(target) && target != c.AfterLogin {
		query.Set("return_to", target)
	}
	if len(query) == 0 {
		return c.LoginURL
	}
	// Encoded with what the URL of the app's own sign-in page has already.
	login.RawQuery = query.Encode()
	return login.String()
}

// overNotices say on the sign-in page why it is shown.
var overNotices = map[request.Over]string{
	request.OverIdle: "You were signed out because this browser was not used for a while.",
	request.OverLong: "You were signed out because a session ends after a fixed time.",
	request.OverHere: "Your session has ended. You signed out, or it was ended elsewhere.",
}

// overNotice goes by the cookie, or by the address that Require has sent the
// browser to. Anyone can write the address, so it chooses among fixed sentences.
func overNotice(r *http.Request, over request.Over) string {
	if over == request.NotOver {
		over = request.Over(r.URL.Query().Get("over"))
	}
	return overNotices[over]
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
