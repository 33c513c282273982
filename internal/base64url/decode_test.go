package base64url

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// agree fails the test unless decode does with s what the standard library's strict decoder does, but for CR and LF.
func agree(t testing.TB, s string) {
	want, err := base64.RawURLEncoding.Strict().DecodeString(s)
	good := err == nil && !strings.ContainsAny(s, "\r\n")
	got := make([]byte, DecodedLen(len(s)))
	if Decode(got, s) != good {
		t.Fatalf("Decode(%q) is %v", s, !good)
	}
	if good && !bytes.Equal(got, want) {
		t.Fatalf("Decode(%q) gives %x, want %x", s, got, want)
	}
}

func TestEveryTextOfUpToTwoBytesDecodesAsTheStandardLibrarySays(t *testing.T) {
	agree(t, "")
	for a := range 256 {
		agree(t, string([]byte{byte(a)}))
		for b := range 256 {
			agree(t, string([]byte{byte(a), byte(b)}))
		}
	}
}

func TestEveryTextOfThreeCharactersDecodesAsTheStandardLibrarySays(t *testing.T) {
	for _, a := range alphabet {
		for _, b := range alphabet {
			for _, c := range alphabet {
				agree(t, string([]rune{a, b, c}))
			}
		}
	}
}

func TestEveryByteAtEveryPlaceDecodesAsTheStandardLibrarySays(t *testing.T) {
	for n := range 36 { // enough for several rounds of the fast loop and every remainder
		s := base64.RawURLEncoding.EncodeToString(randomBytes(36))[:n]
		agree(t, s)
		for i := range s {
			for c := range 256 {
				agree(t, s[:i]+string([]byte{byte(c)})+s[i+1:])
			}
		}
	}
}

func TestEveryLengthDecodes(t *testing.T) {
	for n := range 300 {
		want := randomBytes(n)
		s := base64.RawURLEncoding.EncodeToString(want)
		require.Equal(t, n, DecodedLen(len(s)))
		got := make([]byte, n)
		require.True(t, Decode(got, s))
		require.Equal(t, want, got)
	}
}

func TestDecodeWritesNothingBehindDst(t *testing.T) {
	for n := range 100 {
		s := base64.RawURLEncoding.EncodeToString(randomBytes(n))
		buf := bytes.Repeat([]byte{0xA5}, n+16)
		require.True(t, Decode(buf[:n], s))
		assert.Equal(t, bytes.Repeat([]byte{0xA5}, 16), buf[n:])
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("")
	f.Add("AAECAwQFBgcICQoL")
	f.Add("AA\r\nAA")
	f.Add("AAECAwQFBgc_-B")
	f.Fuzz(func(t *testing.T, s string) { agree(t, s) })
}
