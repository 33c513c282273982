package record

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/internal/seal"
)

// sealedLen is how long the cookie's value is for a session with token, right after sign-in or a refresh.
func sealedLen(token string) int {
	r := session(token)
	r.SeenAt = r.StartedAt
	r.Credential.IssuedAt = r.StartedAt
	r.Credential.ExpiresAt = r.StartedAt + 3_600_000
	return seal.TextLen(len(r.Append(nil)))
}

func TestASealedJWTIsAtMostATenthLongerThanTheToken(t *testing.T) {
	token := jwt(700)
	require.Len(t, token, 700)
	assert.LessOrEqual(t, sealedLen(token), 770)
	t.Log("700 bytes of JWT:", sealedLen(token))
}

func TestASealedOpaqueTokenIsAtMostHalfAsLongAgain(t *testing.T) {
	assert.LessOrEqual(t, sealedLen(strings.Repeat("~", 700)), 700*148/100)
	t.Log("700 bytes of any token:", sealedLen(strings.Repeat("~", 700)))
}

func TestASealedOpaqueTokenInBase64URLIsAtMostAFifthLonger(t *testing.T) {
	assert.LessOrEqual(t, sealedLen(part(randomBytes(525))), 700*120/100)
	t.Log("700 bytes of base64url:", sealedLen(part(randomBytes(525))))
}

func TestParseAllocatesTheLoginAndOneStringForTheCredential(t *testing.T) {
	for name, token := range map[string]string{"JWT": jwt(700), "large JWT": jwt(3000), "opaque": strings.Repeat("~", 700)} {
		t.Run(name, func(t *testing.T) {
			r := session(token)
			r.Credential.RefreshToken = "refresh token"
			b := r.Append(nil)
			var parsed Record
			assert.EqualValues(t, 2, testing.AllocsPerRun(100, func() { _ = Parse(b, &parsed) }))
		})
	}
}

func TestParseOfASessionInTheLedgerAllocatesTheLoginAlone(t *testing.T) {
	r := session("")
	r.InLedger = true
	b := r.Append(nil)
	var parsed Record
	assert.EqualValues(t, 1, testing.AllocsPerRun(100, func() { _ = Parse(b, &parsed) }))
}

func TestAppendAllocatesOnceOrIntoABufferNotAtAll(t *testing.T) {
	for name, token := range map[string]string{"JWT": jwt(700), "large JWT": jwt(3000), "opaque": strings.Repeat("~", 700)} {
		t.Run(name, func(t *testing.T) {
			r := session(token)
			r.Credential.RefreshToken = "refresh token"
			assert.EqualValues(t, 1, testing.AllocsPerRun(100, func() { r.Append(nil) }))
			assert.EqualValues(t, 1, testing.AllocsPerRun(100, func() { r.Credential.Append(nil) }))
			buf := make([]byte, 0, 8192)
			assert.Zero(t, testing.AllocsPerRun(100, func() { r.Append(buf) }))
		})
	}
}

func TestParseOfHugeLengthsAllocatesNothing(t *testing.T) {
	b := zeroRecord(tokenPacked, 0, 1, 0xff, 0xff, 0xff, 0xff, 0x0f)
	var parsed Record
	assert.Zero(t, testing.AllocsPerRun(100, func() { _ = Parse(b, &parsed) }))
}
