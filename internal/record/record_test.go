package record

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// requireRoundTrip fails the test unless r comes back as it was.
func requireRoundTrip(t testing.TB, r Record) {
	t.Helper()
	encoded := r.Append(nil)
	var parsed Record
	require.NoError(t, Parse(encoded, &parsed))
	// Compared as values: a failing Equal would have nothing to show, since records print redacted.
	require.True(t, r == parsed)
	require.Equal(t, encoded, parsed.Append(nil))
}

func TestARecordComesBackAsItWas(t *testing.T) {
	full := session(jwt(700))
	full.Generation, full.CutOff = 7, 1_763_868_000_456
	full.Credential.RefreshToken = "refresh token, opaque"
	bytesToken, noExpiry, inLedger, apiKey := full, full, full, full
	bytesToken.Credential.Token = "any/old+token=="
	noExpiry.Credential.ExpiresAt = 0
	inLedger.InLedger, inLedger.Credential = true, Credential{}
	apiKey.APIKey, apiKey.InLedger, apiKey.Credential = true, true, Credential{}
	for name, r := range map[string]Record{
		"zero": {}, "JWT": full, "other token": bytesToken, "no expiry": noExpiry, "in the ledger": inLedger, "API key": apiKey,
		"no login": {Login: ""}, "long login": {Login: strings.Repeat("ü", 500)}, "login of any bytes": {Login: "\x00\xff\r\n"},
		"largest numbers": {Generation: math.MaxUint64, CutOff: math.MaxUint64},
	} {
		t.Run(name, func(t *testing.T) { requireRoundTrip(t, r) })
	}
}

func TestEveryTimeAndUserSurvives(t *testing.T) {
	for _, a := range extremes {
		for _, b := range extremes {
			for _, c := range extremes {
				requireRoundTrip(t, Record{UserID: a, StartedAt: b, SeenAt: c, Credential: Credential{IssuedAt: a}})
				requireRoundTrip(t, Record{SeenAt: a, Credential: Credential{IssuedAt: b, ExpiresAt: c}})
			}
		}
	}
}

func TestAnyRecordComesBackAsItWas(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	text := func() string { return string(randomBytes(rng.IntN(40))) }
	for range 2000 {
		r := Record{
			Generation: rng.Uint64() >> rng.IntN(64), CutOff: rng.Uint64() >> rng.IntN(64),
			UserID: int64(rng.Uint64() >> rng.IntN(64)), Login: text(),
			StartedAt: int64(rng.Uint64()), SeenAt: int64(rng.Uint64()),
			Credential: Credential{Token: text(), RefreshToken: text(), IssuedAt: int64(rng.Uint64()), ExpiresAt: int64(rng.Uint64())},
		}
		requireRoundTrip(t, r)
	}
}

func TestAppendAppends(t *testing.T) {
	r := session(jwt(700))
	assert.Equal(t, append([]byte("before"), r.Append(nil)...), r.Append([]byte("before")))
}

func TestAnAPIKeyIsNeverWritten(t *testing.T) {
	const canary = "canary-api-key"
	for name, r := range map[string]Record{
		"said to be in the cookie":  {APIKey: true, Credential: Credential{APIKey: canary}},
		"said to be in the ledger":  {APIKey: true, InLedger: true, Credential: Credential{APIKey: canary}},
		"not said to be an API key": {Credential: Credential{APIKey: canary}},
	} {
		t.Run(name, func(t *testing.T) {
			encoded := r.Append(nil)
			assert.NotContains(t, string(encoded), "canary")
			var parsed Record
			require.NoError(t, Parse(encoded, &parsed))
			assert.True(t, parsed.APIKey)
			assert.True(t, parsed.InLedger)
			assert.True(t, parsed.Credential == Credential{})
		})
	}
}

func TestNothingOfACredentialInTheLedgerIsWritten(t *testing.T) {
	with, without := session("canary-token"), session("")
	with.InLedger, without.InLedger = true, true
	with.ID, without.Credential = without.ID, Credential{}
	assert.Equal(t, without.Append(nil), with.Append(nil))
}

func TestParseForgetsWhatTheRecordHeld(t *testing.T) {
	r := session(jwt(700))
	r.Generation, r.Credential.RefreshToken = 9, "refresh"
	var zero Record
	require.NoError(t, Parse(zero.Append(nil), &r))
	assert.True(t, r == Record{})
}

func TestParseDoesNotKeepTheBytes(t *testing.T) {
	want := session("an opaque token, kept as bytes")
	b := want.Append(nil)
	var got Record
	require.NoError(t, Parse(b, &got))
	clear(b)
	assert.True(t, want == got)
}

// TestTheFormatStaysAsItIs holds a record byte by byte: if it changes, everyone who is signed in while the new build is
// rolled out is signed out, unless the version changes with it and both are read.
func TestTheFormatStaysAsItIs(t *testing.T) {
	r := Record{
		ID: [16]byte([]byte("0123456789abcdef")), Generation: 1, CutOff: 300, UserID: 5, Login: "demo",
		StartedAt: 1000, SeenAt: 1001,
		Credential: Credential{Token: part([]byte(hs256)) + ".AAAA.BBBB", RefreshToken: "r!", IssuedAt: 1000, ExpiresAt: 1100},
	}
	assert.Equal(t, "\x01\x13"+"0123456789abcdef"+"\x01"+"\xac\x02"+"\x05"+"\xe8\x07"+"\x02"+"\x04demo"+
		"\x01"+"\xc8\x01"+"\x0a\x03\x00\x00\x00\x03\x04\x10\x41"+"\x02r!", string(r.Append(nil)))
	r = Record{APIKey: true, InLedger: true, UserID: 5, Login: "demo"}
	assert.Equal(t, "\x01\xc0"+strings.Repeat("\x00", 16)+"\x00\x00\x05\x00\x00\x04demo", string(r.Append(nil)))
}
