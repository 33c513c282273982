//go:build linux

package browser_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// attack is a page of another site that wants something of the app.
type attack struct {
	name   string
	body   string // TARGET stands for the address in the app
	click  bool   // the victim clicks on #go
	status int    // of the app's answer
}

var signOutAttacks = []attack{
	{"a form", `<form method="post" action="TARGET"><button id="go">Win</button></form>`, true, http.StatusForbidden},
	{"a form that submits itself", `<form method="post" action="TARGET"></form><script>document.forms[0].submit()</script>`, false, http.StatusForbidden},
	{"a form into a frame", `<iframe name="f"></iframe><form method="post" action="TARGET" target="f"><button id="go">Win</button></form>`, true, http.StatusForbidden},
	{"a link", `<a id="go" href="TARGET">Win</a>`, true, http.StatusOK},
	{"a link to a new tab", `<a id="go" href="TARGET" target="_blank">Win</a>`, true, http.StatusOK},
	{"a script that goes there", `<script>location = "TARGET"</script>`, false, http.StatusOK},
	{"a page that refreshes to there", `<meta http-equiv="refresh" content="0; url=TARGET">`, false, http.StatusOK},
	{"an image", `<img src="TARGET" alt="">`, false, http.StatusOK},
	{"a frame", `<iframe src="TARGET"></iframe>`, false, http.StatusOK},
	{"a script's source", `<script src="TARGET"></script>`, false, http.StatusOK},
	{"fetch that gets", `<script>fetch("TARGET", {mode: "no-cors", credentials: "include"})</script>`, false, http.StatusOK},
	{"fetch that posts", `<script>fetch("TARGET", {method: "POST", mode: "no-cors", credentials: "include"})</script>`, false, http.StatusForbidden},
	{"a beacon", `<script>navigator.sendBeacon("TARGET")</script>`, false, http.StatusForbidden},
	{"a prefetch", `<link rel="prefetch" href="TARGET">`, false, http.StatusOK},
}

func TestNoOtherSiteSignsTheUserOut(t *testing.T) {
	onEachOtherSite(t, func(t *testing.T, s *site, origin string) {
		b := s.newProfile().signIn(alice)
		for i, a := range signOutAttacks {
			cookie := b.sessionCookie()
			got := b.attackedBy(a, origin, fmt.Sprintf("/attack-%d", i), "/logout")
			assert.Equal(t, a.status, got.status, a.name)
			assert.Empty(t, got.setCookie, "%s: SameSite does not keep an answer from setting cookies", a.name)
			assert.Equal(t, cookie, b.sessionCookie(), a.name)
			assert.Empty(t, s.grid.Calls(logoutPath), a.name)
		}
		b.isSignedIn(alice)
	})
}

func TestSigningOutAndInWorksAtOnceAfterEachAttack(t *testing.T) {
	s := overTLS(t)
	b := s.newProfile().signIn(alice)
	for i, a := range signOutAttacks {
		b.attackedBy(a, s.evil(), fmt.Sprintf("/attack-%d", i), "/logout")
		b.isSignedIn(alice)
		b.click(signOutButton)
		b.sees(landing)
		assert.Empty(t, b.sessionCookie(), a.name)
		assert.Zero(t, s.grid.LiveTokens(alice.ID), a.name)
		b.signIn(alice)
	}
}

func TestNoOtherSiteSignsTheUserInAsSomebodyElse(t *testing.T) {
	fields := `<input name="login" value="` + mallory.Login + `"><input name="password" value="` + mallory.Password + `">`
	form := `login=` + mallory.Login + `&password=` + mallory.Password
	attacks := []attack{
		{"a form", `<form method="post" action="TARGET">` + fields + `<button id="go">Win</button></form>`, true, http.StatusForbidden},
		{"a form that submits itself", `<form method="post" action="TARGET">` + fields + `</form><script>document.forms[0].submit()</script>`, false, http.StatusForbidden},
		{"a form with an API key", `<form method="post" action="TARGET"><input name="api_key" value="` + mallory.APIKey + `"><button id="go">Win</button></form>`, true, http.StatusForbidden},
		{"a form into a frame", `<iframe name="f"></iframe><form method="post" action="TARGET" target="f">` + fields + `<button id="go">Win</button></form>`, true, http.StatusForbidden},
		{"a form of another encoding", `<form method="post" enctype="multipart/form-data" action="TARGET">` + fields + `<button id="go">Win</button></form>`, true, http.StatusForbidden},
		{"fetch", `<script>fetch("TARGET", {method: "POST", mode: "no-cors", credentials: "include", body: new URLSearchParams("` + form + `")})</script>`, false, http.StatusForbidden},
		{"a link with the password in it", `<a id="go" href="TARGET?` + form + `">Win</a>`, true, http.StatusOK},
	}
	onEachOtherSite(t, func(t *testing.T, s *site, origin string) {
		attackAll := func(t *testing.T, b *tab) {
			for i, a := range attacks {
				cookie := b.sessionCookie()
				before := len(s.grid.Calls(""))
				got := b.attackedBy(a, origin, fmt.Sprintf("/attack-%d", i), "/login")
				assert.Equal(t, a.status, got.status, a.name)
				assert.Empty(t, got.setCookie, a.name)
				assert.Equal(t, cookie, b.sessionCookie(), a.name)
				assert.Len(t, s.grid.Calls(""), before, "%s: ECGrid was asked", a.name)
			}
			assert.Zero(t, s.grid.LiveTokens(mallory.ID))
		}
		b := s.newProfile()
		t.Run("a visitor", func(t *testing.T) {
			attackAll(t, b.in(t))
			b.in(t).signIn(alice)
		})
		t.Run("somebody signed in", func(t *testing.T) {
			attackAll(t, b.in(t))
			b.in(t).isSignedIn(alice)
		})
	})
}

// onEachOtherSite runs a test with the app and another site beside it: one that
// has nothing to do with the app's, and one whose requests carry even cookies of
// SameSite=Strict.
func onEachOtherSite(t *testing.T, test func(t *testing.T, s *site, origin string)) {
	t.Helper()
	launched(t)
	t.Run("another site, over TLS", func(t *testing.T) {
		t.Parallel()
		s := overTLS(t)
		test(t, s, s.origin("evil.test"))
	})
	t.Run("a sibling domain, over TLS", func(t *testing.T) {
		t.Parallel()
		s := overTLS(t)
		test(t, s, s.origin("sibling.example.test"))
	})
	t.Run("another site, on http localhost", func(t *testing.T) {
		t.Parallel()
		s := onLocalhost(t)
		test(t, s, s.origin("evil.test"))
	})
	t.Run("another port of localhost", func(t *testing.T) {
		t.Parallel()
		s := onLocalhost(t)
		test(t, s, "http://localhost:"+s.listen(false))
	})
}

// attackedBy lets the victim visit the attacker's page, and returns the request
// that came of it when it has been answered.
func (b *tab) attackedBy(a attack, origin, path, target string) *request {
	b.t.Helper()
	page := b.s.publish(origin, path, html(strings.ReplaceAll(a.body, "TARGET", b.s.url+target)))
	before := b.s.to(target)
	if a.click {
		b.open(page)
		b.click("#go")
	} else {
		// It may be gone before it has loaded.
		eval[any](b, fmt.Sprintf(`location = %q, null`, page))
	}
	got := b.s.next(target, before)
	require.Contains(b.t, []string{"cross-site", "same-site"}, got.header.Get("Sec-Fetch-Site"))
	return got
}
