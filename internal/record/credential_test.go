package record

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestACredentialComesBackAsItWas(t *testing.T) {
	for name, c := range map[string]Credential{
		"zero":               {},
		"JWT":                {Token: jwt(700), IssuedAt: 1_763_868_000_123, ExpiresAt: 1_763_871_600_000},
		"two JWTs":           {Token: jwt(700), RefreshToken: jwt(300), IssuedAt: 1, ExpiresAt: 2},
		"opaque":             {Token: "opaque!", RefreshToken: "also opaque", IssuedAt: 1},
		"API key":            {APIKey: "key", IssuedAt: 1_763_868_000_123},
		"API key like a JWT": {APIKey: jwt(200)},
		"everything":         {Token: "t", RefreshToken: "r", APIKey: "k", IssuedAt: math.MinInt64, ExpiresAt: math.MaxInt64},
		"16 KB":              {Token: strings.Repeat("x!", 8<<10)},
	} {
		t.Run(name, func(t *testing.T) {
			encoded := c.Append(nil)
			var parsed Credential
			rest, err := ParseCredential(encoded, &parsed)
			require.NoError(t, err)
			assert.Empty(t, rest)
			assert.True(t, c == parsed)
		})
	}
}

func TestEveryTimeOfACredentialSurvives(t *testing.T) {
	for _, issued := range extremes {
		for _, expires := range extremes {
			c := Credential{IssuedAt: issued, ExpiresAt: expires}
			var parsed Credential
			_, err := ParseCredential(c.Append(nil), &parsed)
			require.NoError(t, err)
			require.True(t, c == parsed)
		}
	}
}

func TestWhatFollowsACredentialIsGivenBack(t *testing.T) {
	first, second := Credential{Token: jwt(200), IssuedAt: 5}, Credential{APIKey: "key"}
	b := append(second.Append(first.Append(nil)), "the rest"...)
	var c Credential
	b, err := ParseCredential(b, &c)
	require.NoError(t, err)
	assert.True(t, c == first)
	b, err = ParseCredential(b, &c)
	require.NoError(t, err)
	assert.True(t, c == second)
	assert.Equal(t, "the rest", string(b))
}

func TestACredentialCutShortIsMalformed(t *testing.T) {
	c := Credential{Token: jwt(200), RefreshToken: "refresh!", APIKey: "key", IssuedAt: 1000, ExpiresAt: 2000}
	b := c.Append(nil)
	for n := range b {
		requireCredentialMalformed(t, b[:n])
	}
}

func TestCredentialsThatAreSpelledOtherwiseAreMalformed(t *testing.T) {
	for name, b := range map[string][]byte{
		"unknown bit 5":                    {0x20 | tokenPacked, 0, 1, 0},
		"unknown bit 6":                    {0x40 | tokenPacked, 0, 1, 0},
		"unknown bit 7":                    {0x80 | tokenPacked, 0, 1, 0},
		"packed refresh token without any": {refreshPacked | tokenPacked, 0, 1, 0},
		"empty API key":                    {hasAPIKey | tokenPacked, 0, 1, 0, 0},
		"expiry of zero":                   {hasExpiry | tokenPacked, 2, 1, 1, 0},
		"token that could be packed":       {0, 0, 2, 'A', 'A'},
		"refresh that could be packed":     {hasRefresh | tokenPacked, 0, 1, 0, 5, 'A', 'A', '.', 'A', 'A'},
		"time in too many bytes":           {tokenPacked, 0x80, 0, 1, 0},
		"time of 65 bits":                  append(append([]byte{tokenPacked}, bytes.Repeat([]byte{0xff}, 9)...), 2, 1, 0),
	} {
		t.Run(name, func(t *testing.T) { requireCredentialMalformed(t, b) })
	}
	_, err := ParseCredential([]byte{tokenPacked, 0, 1, 0}, new(Credential))
	require.NoError(t, err)
}
