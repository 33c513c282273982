package tests

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// everyVerb prints a value in every way that fmt has.
func everyVerb(v any) string {
	var b strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%q", "%s", "%x", "% X", "%d", "%t"} {
		fmt.Fprintf(&b, verb+"\n", v)
	}
	return b.String()
}

// distinctive is the part of a token that no other token begins with: the
// signature of a JWT.
func distinctive(token string) string { return token[strings.LastIndexByte(token, '.')+1:] }

// needles are the ways in which the first 8 characters of a secret could show:
// as they are, in either base64 at any offset, in hex, or as numbers.
func needles(secret string) []string {
	head := secret[:8]
	found := []string{
		head,
		hex.EncodeToString([]byte(head)), strings.ToUpper(hex.EncodeToString([]byte(head))),
		fmt.Sprintf("% x", head), fmt.Sprintf("% X", head),
		strings.Trim(fmt.Sprint([]byte(head)), "[]"), fmt.Sprintf("%q", head),
	}
	for offset := range 3 {
		padded := append(make([]byte, offset), head...)
		for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			// Without the characters that also depend on what stands beside.
			text := enc.EncodeToString(padded)
			from, to := (8*offset+5)/6, 8*len(padded)/6
			found = append(found, text[from:to])
		}
	}
	return found
}

// assertNoSecret holds that text shows none of the secrets, each under its name.
func assertNoSecret(t *testing.T, text string, secrets map[string]string) {
	t.Helper()
	for name, secret := range secrets {
		for _, needle := range needles(secret) {
			if at := strings.Index(text, needle); at >= 0 {
				assert.Fail(t, "a secret shows", "%s, as %q in: …%q…", name, needle, text[max(0, at-80):min(len(text), at+len(needle)+40)])
			}
		}
	}
}

// The search itself must find what it is for.
func TestTheSearchForSecretsFindsThem(t *testing.T) {
	const secret = "canary-secret-0123456789"
	for _, hidden := range []string{
		secret, "x" + secret[:8] + "y", hex.EncodeToString([]byte("a" + secret)), fmt.Sprintf("%X", secret), fmt.Sprintf("% x", secret),
		fmt.Sprint([]byte(secret)), fmt.Sprintf("%q", secret),
		base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte("a" + secret)),
		base64.URLEncoding.EncodeToString([]byte("ab" + secret)), base64.StdEncoding.EncodeToString([]byte("abc" + secret)),
	} {
		found := false
		for _, needle := range needles(secret) {
			found = found || strings.Contains("before "+hidden+" after", needle)
		}
		assert.True(t, found, hidden)
	}
}
