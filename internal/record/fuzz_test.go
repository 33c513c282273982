package record

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzParse holds that nothing panics, and that what parses is what Append writes.
func FuzzParse(f *testing.F) {
	for _, token := range []string{"", jwt(200), "opaque token", "AA.AA"} {
		r := session(token)
		f.Add(r.Append(nil))
		r.Credential.RefreshToken = token + "!"
		f.Add(r.Append(nil))
		r.APIKey = true
		f.Add(r.Append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var r Record
		if err := Parse(b, &r); err != nil {
			require.Equal(t, ErrMalformed, err)
			require.True(t, r == Record{})
			return
		}
		require.Equal(t, b, r.Append(nil))
	})
}

func FuzzParseCredential(f *testing.F) {
	for _, c := range []Credential{{}, {Token: jwt(200), ExpiresAt: 5}, {APIKey: "key"}, {Token: "opaque!", RefreshToken: "AA.AA"}} {
		f.Add(c.Append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var c Credential
		rest, err := ParseCredential(b, &c)
		if err != nil {
			require.Equal(t, ErrMalformed, err)
			require.True(t, c == Credential{})
			return
		}
		require.Equal(t, b, append(c.Append(nil), rest...))
	})
}

// FuzzJWT holds that any token at all comes back as it was.
func FuzzJWT(f *testing.F) {
	for _, token := range []string{"", "..", jwt(200), jwt(200) + "=", "AA.AB.AA", "A\nAAA.AA.AA"} {
		f.Add(token, "")
		f.Add(token, token)
	}
	f.Fuzz(func(t *testing.T, token, refresh string) {
		tokenRoundTrip(t, token)
		requireRoundTrip(t, Record{Login: refresh, Credential: Credential{Token: token, RefreshToken: refresh}})
	})
}
