package record

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tokenRoundTrip fails the test unless token comes back as it was, and gives how many bytes it takes, without the times.
func tokenRoundTrip(t testing.TB, token string) int {
	t.Helper()
	c := Credential{Token: token}
	encoded := c.Append(nil)
	var parsed Credential
	rest, err := ParseCredential(encoded, &parsed)
	require.NoError(t, err)
	require.Empty(t, rest)
	require.Equal(t, token, parsed.Token)
	require.Equal(t, encoded, parsed.Append(nil))
	return len(encoded) - 2
}

func TestTokensOfEveryKindComeBackAsTheyWere(t *testing.T) {
	for _, token := range []string{
		"", ".", "..", "...", "....", ".....", "a", "ab", "abc", "abcd", "AA", "AB", "AAA", "AAB", "AA.", ".AA", "AA..AA",
		jwt(700), jwt(700) + ".", "." + jwt(700), jwt(700) + "=", jwt(700) + "\n", "\r\n" + jwt(700), jwt(700) + "é",
		part([]byte(hs256)), part([]byte(hs256)) + ".", part([]byte(hs256)) + "..", part([]byte(hs256)) + ".....",
		part([]byte(hs256)) + ".AA.AA.AA.AA", part([]byte(hs256)) + ".AA.AA.AA.AA.AA", part([]byte(hs256)) + "A.AA.AA",
		"AA\r\n.AAAA.AAAA", "AAAA\n", "AA+A.AA/A.AAAA", "AAAA.AAAA.AAAA=", "\x00", "\xff.\xff.\xff",
		"v2.local.AAAA", "0123456789abcdef", strings.Repeat("A", 16<<10), strings.Repeat("~", 16<<10),
	} {
		tokenRoundTrip(t, token)
	}
}

func TestAJWTIsKeptAsItsDecodedParts(t *testing.T) {
	token := part([]byte(hs256)) + "." + part(randomBytes(300)) + "." + part(randomBytes(32))
	assert.Equal(t, 1+2+300+1+32, tokenRoundTrip(t, token))
}

func TestAJWTWithAnUncommonHeaderIsKeptAsItsDecodedParts(t *testing.T) {
	header := `{"alg":"RS256","kid":"2025-01","typ":"JWT"}`
	token := part([]byte(header)) + "." + part(randomBytes(300)) + "." + part(randomBytes(256))
	assert.Equal(t, 1+1+len(header)+2+300+2+256, tokenRoundTrip(t, token))
}

func TestAJWEIsKeptAsItsDecodedParts(t *testing.T) {
	token := strings.Join([]string{part(randomBytes(30)), "", part(randomBytes(12)), part(randomBytes(300)), part(randomBytes(16))}, ".")
	assert.Equal(t, 1+1+30+1+1+12+2+300+1+16, tokenRoundTrip(t, token))
}

func TestARandomTokenInBase64URLOrHexIsKeptAsItsBytes(t *testing.T) {
	assert.Equal(t, 1+1+48, tokenRoundTrip(t, part(randomBytes(48))))
	assert.Equal(t, 1+1+24, tokenRoundTrip(t, "0123456789abcdef0123456789abcdef"))
}

func TestATokenThatWouldNotComeBackTheSameIsKeptAsItIs(t *testing.T) {
	for name, token := range map[string]string{
		"spare bits":        "AAAA.AB.AAAA",
		"spare bits at end": "AAAA.AAAA.AAB",
		"padding":           "AAAA.AA==.AAAA",
		"line break":        "AAAA.AAA\nA.AAAA",
		"line break of one": "AAAA.AAAA\n.AAAA",
		"standard alphabet": "AAAA.AA+/.AAAA",
		"half a byte":       "AAAA.AAAAA.AAAA",
		"six parts":         "AA.AA.AA.AA.AA.AA",
		"non-ASCII":         "AAAA.ÄAAA.AAAA",
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, 1+len(token), tokenRoundTrip(t, token)) })
	}
}

func TestEveryCommonHeaderTakesOneByteAndComesBack(t *testing.T) {
	seen := map[string]bool{}
	for _, h := range headers[1:] {
		require.False(t, seen[h.bytes], "%s is there twice", h.bytes)
		seen[h.bytes] = true
		assert.Equal(t, 1+1+3+1+3, tokenRoundTrip(t, part([]byte(h.bytes))+".AAAA.AAAA"), h.bytes)
	}
	require.Less(t, len(headers), 32, "the lead byte has five bits for the index")
}

func TestTheTableOfHeadersStaysAsItIs(t *testing.T) {
	// An entry that moves turns a token in a cookie into another one.
	assert.Equal(t, hs256, headers[1].bytes)
	assert.Equal(t, `{"alg":"RS256","typ":"JWT"}`, headers[9].bytes)
	assert.Equal(t, `{"alg":"ES256","typ":"JWT"}`, headers[18].bytes)
	assert.Equal(t, `{"alg":"http://www.w3.org/2001/04/xmldsig-more#hmac-sha256","typ":"JWT"}`, headers[29].bytes)
	assert.Len(t, headers, 30)
}

func TestEveryShortPartIsJudgedAsTheStandardLibrarySays(t *testing.T) {
	strict := base64.RawURLEncoding.Strict()
	check := func(s string) {
		_, err := strict.DecodeString(s)
		want := err == nil && !strings.ContainsAny(s, "\r\n")
		if packable(s) != want {
			t.Fatalf("packable(%q) is %v", s, !want)
		}
		if packable([]byte(s)) != want {
			t.Fatalf("packable of the bytes of %q is %v", s, !want)
		}
	}
	check("")
	for a := range 256 {
		check(strings.ReplaceAll(string([]byte{byte(a)}), ".", "!"))
		for b := range 256 {
			s := strings.ReplaceAll(string([]byte{byte(a), byte(b)}), ".", "!")
			check(s)
			check("A" + s)
			check("AA" + s)
		}
	}
}
