package site

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// EveryVerb prints a value in every way that fmt has.
func EveryVerb(v any) string {
	var b strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%q", "%s", "%x", "% X", "%d", "%t"} {
		fmt.Fprintf(&b, verb+"\n", v)
	}
	return b.String()
}

// Distinctive is the part of a token that no other token begins with: the
// signature of a JWT.
func Distinctive(token string) string { return token[strings.LastIndexByte(token, '.')+1:] }

// traces are the ways in which the first 8 characters of a secret could show:
// as they are, in either base64 at any offset, in hex, or as numbers.
func traces(secret string) []string {
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

// AssertNoSecret holds that text shows none of the secrets, each under its name.
func AssertNoSecret(t *testing.T, text string, secrets map[string]string) {
	t.Helper()
	for name, secret := range secrets {
		for _, trace := range traces(secret) {
			if at := strings.Index(text, trace); at >= 0 {
				assert.Fail(t, "a secret shows", "%s, as %q in: …%q…", name, trace, text[max(0, at-80):min(len(text), at+len(trace)+40)])
			}
		}
	}
}

// ShowsNothingOf looks for a secret: raw, in base64 and hex, as a list of
// numbers, and by its first 8 bytes.
func ShowsNothingOf(t *testing.T, shown string, secret []byte) {
	t.Helper()
	head := secret[:8]
	numbers := strings.Trim(fmt.Sprint(head), "[]")
	for _, form := range []string{
		string(head), numbers, strings.ReplaceAll(numbers, " ", ","), strings.ReplaceAll(numbers, " ", ", "),
		base64.RawStdEncoding.EncodeToString(head)[:8], base64.RawURLEncoding.EncodeToString(head)[:8],
		hex.EncodeToString(head), strings.ToUpper(hex.EncodeToString(head)),
		strings.Trim(fmt.Sprintf("%#v", head), "[]byte{}"),
	} {
		require.NotContains(t, shown, form)
	}
}
