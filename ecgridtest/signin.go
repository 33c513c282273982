package ecgridtest

import (
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"

	"github.com/ecgrid-contrib/ecgridsession"
)

// SignIn starts a session of m with cred and puts its cookie into c's jar, so
// that c's next request to appURL is signed in, without a trip through the
// login form. It returns the session.
//
// appURL is the base URL of the app under test, such as the URL of an
// [net/http/httptest.Server]. cred comes from [API.Issue], or is an API key that
// was given to [API.AddUser]. If c has no jar, SignIn gives it one, which stays.
// A session that c already had there is handled as Start handles one.
//
// SignIn ends the test with a message, which never contains a token, key or
// cookie value, if appURL is not an absolute http or https URL, if Start fails,
// or if the jar would not send the cookie to appURL. The usual reason for the
// last is an app on plain http with a Secure cookie, which a jar of net/http
// sends to loopback hosts only: serve it with [net/http/httptest.NewTLSServer],
// or set Config.InsecureCookie.
//
// It has to be called from the goroutine that runs the test, as t.FailNow does.
// It is safe for concurrent use with different clients.
func SignIn(t testing.TB, m *ecgridsession.Middleware, c *http.Client, appURL string, cred ecgridsession.Credential) ecgridsession.Session {
	t.Helper()
	app, err := url.Parse(appURL)
	if err != nil || (app.Scheme != "http" && app.Scheme != "https") || app.Host == "" {
		t.Fatalf("ecgridtest: SignIn: %q is not an absolute http or https URL", appURL)
	}
	if c.Jar == nil {
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatalf("ecgridtest: SignIn: no cookie jar: %v", err)
		}
		c.Jar = jar
	}

	w := httptest.NewRecorder()
	// The request never goes over a network. It has no local address, which
	// passes for a loopback one, so Config.InsecureCookie works here.
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, app.String(), nil)
	// So that Start sees the session that the client had, and ends it.
	for _, cookie := range c.Jar.Cookies(app) {
		r.AddCookie(cookie)
	}
	session, err := m.Start(w, r, cred)
	if err != nil {
		t.Fatalf("ecgridtest: SignIn: Start: %v", err)
	}

	cookies := w.Result().Cookies()
	c.Jar.SetCookies(app, cookies)
	// A jar keeps cookies that it will never send, and says nothing.
	sent := c.Jar.Cookies(app)
	for _, cookie := range cookies {
		switch {
		case slices.ContainsFunc(sent, func(s *http.Cookie) bool { return s.Name == cookie.Name }):
			continue
		case cookie.Secure && app.Scheme == "http":
			t.Fatalf("ecgridtest: SignIn: the cookie %q is Secure, so that the client's jar does not send it to %s over plain http: "+
				"use httptest.NewTLSServer (with its Client) or Config.InsecureCookie", cookie.Name, app.Host)
		default:
			t.Fatalf("ecgridtest: SignIn: the client's jar does not send the cookie %q to %s", cookie.Name, app.Host)
		}
	}
	return session
}
