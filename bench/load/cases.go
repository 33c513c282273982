package load

// series names one app under one kind of request.
type series struct{ subject, app string }

// The subjects.
const (
	pageWithSession = "page, with a session"
	pageFewHeaders  = "page, with a session, few headers"
	pageWithout     = "page, without a session"
	staticWith      = "static file, with a session"
	inboxWith       = "page with one call to ECGrid"
)

// notSent is the app without sessions, to which no cookie is sent either.
const notSent = "neither, sent no cookie"

// loadCase is what the generator is sent to do for a series.
type loadCase struct {
	series
	addr    string
	request []byte
	want    string // the body of the right answer; "": whatever has status 200
}

// casesFor are all that is measured, by subject. The bare app is always sent the
// cookies that the middleware is sent; gorilla is sent its own, which is longer.
func casesFor(addrs map[string]string, ours, gorillas string, demo user) [][]loadCase {
	signedIn, anonymous := pageFor(demo), pageFor(user{})
	with, without := amongOthers(ours), amongOthers("")
	c := func(subject, name, app, path, as, cookies, want string) loadCase {
		return loadCase{series{subject, name}, addrs[app], get(addrs[app], path, as, cookies), want}
	}
	return [][]loadCase{{
		c(pageWithSession, appMiddleware, appMiddleware, "/", asDocument, with, signedIn),
		c(pageWithSession, appGorilla, appGorilla, "/", asDocument, amongOthers(gorillas), signedIn),
		c(pageWithSession, appBare, appBare, "/", asDocument, with, signedIn),
		c(pageWithSession, notSent, appBare, "/", asDocument, "", signedIn),
	}, {
		c(pageFewHeaders, appMiddleware, appMiddleware, "/", asScript, with, signedIn),
		c(pageFewHeaders, appGorilla, appGorilla, "/", asScript, amongOthers(gorillas), signedIn),
		c(pageFewHeaders, appBare, appBare, "/", asScript, with, signedIn),
	}, {
		c(pageWithout, appMiddleware, appMiddleware, "/", asDocument, without, anonymous),
		c(pageWithout, appGorilla, appGorilla, "/", asDocument, without, anonymous),
		c(pageWithout, appBare, appBareNobody, "/", asDocument, without, anonymous),
	}, {
		c(staticWith, appMiddleware, appMiddleware, "/static/"+staticFile, asStyle, with, staticContent),
		c(staticWith, appBare, appBare, "/static/"+staticFile, asStyle, with, staticContent),
	}, {
		c(inboxWith, appMiddleware, appMiddleware, "/inbox", asDocument, with, ""),
		c(inboxWith, appBare, appBare, "/inbox", asDocument, with, ""),
	}}
}
