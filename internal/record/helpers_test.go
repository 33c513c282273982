package record

import (
	"crypto/rand"
	"encoding/base64"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

func part(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

const hs256 = `{"alg":"HS256","typ":"JWT"}`

// jwt returns an HS256 JWT of n characters, or one less where n cannot be had.
func jwt(n int) string {
	signature := part(randomBytes(32))
	room := n - len(part([]byte(hs256))) - len(signature) - len("..")
	claims := `{"sub":"` + strings.Repeat("x", room*3/4-len(`{"sub":""}`)) + `"}`
	return part([]byte(hs256)) + "." + part([]byte(claims)) + "." + signature
}

// session returns a record as it is in use, with token.
func session(token string) Record {
	const signIn = 1_763_868_000_123
	r := Record{
		UserID:    54321,
		Login:     "demo",
		StartedAt: signIn,
		SeenAt:    signIn + 2_000_000,
		Credential: Credential{
			Token:     token,
			IssuedAt:  signIn + 1_700_000,
			ExpiresAt: signIn + 1_700_000 + 3_600_000,
		},
	}
	copy(r.ID[:], randomBytes(len(r.ID)))
	return r
}

// requireMalformed fails the test unless b is refused and leaves no trace.
func requireMalformed(t testing.TB, b []byte) {
	t.Helper()
	r := session("leftover")
	require.Equal(t, ErrMalformed, Parse(b, &r))
	require.True(t, r == Record{}, "a refused record is zero")
}

func requireCredentialMalformed(t testing.TB, b []byte) {
	t.Helper()
	c := Credential{Token: "leftover"}
	rest, err := ParseCredential(b, &c)
	require.Equal(t, ErrMalformed, err)
	require.Nil(t, rest)
	require.True(t, c == Credential{}, "a refused credential is zero")
}

// extremes are numbers at which arithmetic goes wrong if it can.
var extremes = []int64{0, 1, -1, 63, 64, -64, -65, 127, 128, 1_763_868_000_123, -1_763_868_000_123,
	math.MaxInt32, math.MinInt32, math.MaxInt64, math.MaxInt64 - 1, math.MinInt64, math.MinInt64 + 1}
