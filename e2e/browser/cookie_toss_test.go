//go:build linux

package browser_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// tossed are the ways in which a sibling domain may try to set a cookie that the
// app takes for its own; VALUE is that of the attacker's session.
var tossed = []string{
	"__Host-ecgrid=VALUE; Domain=example.test; Path=/; Secure",
	"__Host-ecgrid=VALUE; Domain=example.test; Path=/; Secure; HttpOnly; SameSite=Lax",
	"__Host-ecgrid=VALUE; Domain=app.example.test; Path=/; Secure",
	"__Host-ecgrid=VALUE; Domain=example.test; Path=/session; Secure",
	"__Host-ecgrid=VALUE; Path=/; Secure",
	"__Host-ecgrid=VALUE; Domain=example.test; Path=/",
	"__host-ecgrid=VALUE; Domain=example.test; Path=/; Secure",
	"=__Host-ecgrid=VALUE; Domain=example.test; Path=/; Secure",
	"__Host-ecgrid; Domain=example.test; Path=/; Secure",
	"\t__Host-ecgrid=VALUE; Domain=example.test; Path=/; Secure",
	"\u2000__Host-ecgrid=VALUE; Domain=example.test; Path=/; Secure",
	"\"__Host-ecgrid=VALUE; Domain=example.test; Path=/; Secure",
	"ecgrid-dev=VALUE; Domain=example.test; Path=/; Secure",
}

func TestACookieThatASiblingDomainTossesChangesNothing(t *testing.T) {
	s := overTLS(t)
	theirs := s.newProfile().signIn(mallory).sessionCookie()
	insecure := s.listen(false)
	sibling := func(path string) []string {
		return []string{
			s.publish(s.origin("sibling.example.test"), path, toss(theirs)),
			// Somebody on the network who answers for any name, without TLS.
			s.publish("http://sibling.example.test:"+insecure, path, toss(theirs)),
			s.publish("http://app.example.test:"+insecure, path, toss(theirs)),
		}
	}

	b := s.newProfile()
	for _, page := range sibling("/visitor") {
		b.open(page)
		b.tossesTake()
		b.open(s.url)
		b.sees(landing)
		assert.Empty(t, b.sessionCookie(), page)
	}
	b.signIn(alice)
	cookie := b.sessionCookie()
	for _, page := range sibling("/user") {
		b.open(page)
		b.isSignedIn(alice)
		assert.Equal(t, cookie, b.sessionCookie(), page)
	}
	b.click(signOutButton)
	b.sees(landing)
	b.signIn(alice)
	assert.Equal(t, 1, s.grid.LiveTokens(mallory.ID), "Mallory's own session is none of all this")
}

// toss answers with the cookies as headers, and sets them once more by a script.
func toss(value string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var script strings.Builder
		for _, line := range append(tossed, "control=1; Domain=example.test; Path=/") {
			line = strings.ReplaceAll(line, "VALUE", value)
			w.Header().Add("Set-Cookie", line)
			fmt.Fprintf(&script, "document.cookie = %q;\n", line)
		}
		html("<script>"+script.String()+"</script>")(w, r)
	}
}

// tossesTake sees to it that the sibling can set cookies at all.
func (b *tab) tossesTake() {
	b.t.Helper()
	for _, c := range b.cookies() {
		if c.Name == "control" && c.Domain == ".example.test" {
			return
		}
	}
	assert.Fail(b.t, "not even an innocent cookie was set")
}
