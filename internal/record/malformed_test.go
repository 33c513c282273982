package record

import (
	"bytes"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestARecordCutShortIsMalformed(t *testing.T) {
	for _, token := range []string{jwt(200), "opaque token"} {
		r := session(token)
		r.Credential.RefreshToken = "refresh token"
		b := r.Append(nil)
		for n := range b {
			requireMalformed(t, b[:n])
		}
	}
}

func TestATrailingByteIsMalformed(t *testing.T) {
	r := session(jwt(200))
	requireMalformed(t, append(r.Append(nil), 0))
	r = Record{InLedger: true}
	requireMalformed(t, append(r.Append(nil), 0))
}

func TestNothingIsMalformed(t *testing.T) {
	requireMalformed(t, nil)
	requireCredentialMalformed(t, nil)
}

func TestAnUnknownVersionIsMalformed(t *testing.T) {
	r := session(jwt(200))
	b := r.Append(nil)
	for _, v := range []byte{0, 2, 255} {
		b[0] = v
		requireMalformed(t, b)
	}
}

// Where the parts of a zero record begin: version, flags, ID, generation, cut-off, user, start, seen, login, credential.
const (
	atFlags      = 1
	atGeneration = 18
	atLogin      = 23
	atIssued     = 24
	atToken      = 25
)

// zeroRecord is the encoding of a record of zeros with the given flags and what follows the login.
func zeroRecord(flags byte, credential ...byte) []byte {
	return slices.Concat([]byte{version, flags}, make([]byte, atIssued-2), credential)
}

func TestContradictoryFlagsAreMalformed(t *testing.T) {
	for name, b := range map[string][]byte{
		"unknown bit":                           zeroRecord(0x20|tokenPacked, 0, 1, 0),
		"unknown bit, in the ledger":            zeroRecord(flagInLedger | 0x20),
		"shape, in the ledger":                  zeroRecord(flagInLedger | tokenPacked),
		"API key outside the ledger":            zeroRecord(flagAPIKey|tokenPacked, 0, 1, 0),
		"API key written":                       zeroRecord(tokenPacked|hasAPIKey, 0, 1, 0, 1, 'k'),
		"credential in the ledger, yet here":    zeroRecord(flagInLedger, 0, 1, 0),
		"packed refresh token without any":      zeroRecord(tokenPacked|refreshPacked, 0, 1, 0),
		"empty refresh token":                   zeroRecord(tokenPacked|hasRefresh, 0, 1, 0, 0),
		"empty refresh token, packed":           zeroRecord(tokenPacked|hasRefresh|refreshPacked, 0, 1, 0, 1, 0),
		"expiry of zero":                        zeroRecord(tokenPacked|hasExpiry, 0, 0, 1, 0),
		"expiry of zero, relative to a time":    zeroRecord(tokenPacked|hasExpiry, 2, 1, 1, 0),
		"token as bytes that could be packed":   zeroRecord(0, 0, 4, 'A', 'A', 'A', 'A'),
		"empty token as bytes":                  zeroRecord(0, 0, 0),
		"refresh as bytes that could be packed": zeroRecord(tokenPacked|hasRefresh, 0, 1, 0, 5, 'A', 'A', '.', 'A', 'A'),
	} {
		t.Run(name, func(t *testing.T) { requireMalformed(t, b) })
	}
	// The same with nothing wrong, so that the cases above fail for what they are named after.
	for _, b := range [][]byte{
		zeroRecord(tokenPacked, 0, 1, 0),
		zeroRecord(flagInLedger),
		zeroRecord(flagInLedger | flagAPIKey),
		zeroRecord(tokenPacked|hasRefresh, 0, 1, 0, 1, '!'),
		zeroRecord(tokenPacked|hasExpiry, 0, 2, 1, 0),
		zeroRecord(0, 0, 4, 'A', 'A', 'A', '!'),
	} {
		require.NoError(t, Parse(b, new(Record)))
	}
}

func TestPackedTokensThatAreSpelledOtherwiseAreMalformed(t *testing.T) {
	spelledOut := append([]byte{1, byte(len(hs256))}, hs256...)
	for name, packed := range map[string][]byte{
		"no part at all":                   {0},
		"six parts":                        {6, 0, 0, 0, 0, 0, 0},
		"five parts behind a header":       {1<<3 | 5, 0, 0, 0, 0, 0},
		"header behind the table's end":    {byte(len(headers))<<3 | 1, 0},
		"common header spelled out":        spelledOut,
		"length over what there is":        {1, 2, 'x'},
		"length of 2^63":                   {1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1},
		"length of 2^64-1":                 {1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1},
		"second length over what there is": {2, 1, 'x', 9, 'y'},
	} {
		t.Run(name, func(t *testing.T) { requireMalformed(t, zeroRecord(tokenPacked, append([]byte{0}, packed...)...)) })
	}
}

func TestNumbersThatAreSpelledOtherwiseAreMalformed(t *testing.T) {
	zero := zeroRecord(tokenPacked, 0, 1, 0)
	require.NoError(t, Parse(zero, new(Record)))
	for at := atGeneration; at <= atIssued; at++ {
		for name, spelling := range map[string][]byte{
			"zero in two bytes": {0x80, 0},
			"zero in three":     {0x80, 0x80, 0},
			"zero in ten":       append(bytes.Repeat([]byte{0x80}, 9), 0),
			"more than 64 bits": append(bytes.Repeat([]byte{0xff}, 9), 2),
			"eleven bytes":      append(bytes.Repeat([]byte{0xff}, 10), 1),
			"never-ending":      bytes.Repeat([]byte{0xff}, 40),
		} {
			t.Run(name, func(t *testing.T) { requireMalformed(t, slices.Concat(zero[:at], spelling, zero[at+1:])) })
		}
	}
	requireMalformed(t, slices.Concat(zero[:atToken+1], []byte{0x80, 0})) // the length of a part
}

func TestALoginLongerThanTheRecordIsMalformed(t *testing.T) {
	zero := zeroRecord(tokenPacked, 0, 1, 0)
	for _, length := range [][]byte{{4}, {127}, {0xff, 0x7f}, append(bytes.Repeat([]byte{0xff}, 9), 1)} {
		requireMalformed(t, slices.Concat(zero[:atLogin], length, zero[atLogin+1:]))
	}
}

func TestAnyFlippedBitIsMalformedOrAnotherRecord(t *testing.T) {
	for _, token := range []string{jwt(120), "opaque token"} {
		r := session(token)
		r.Credential.RefreshToken = "refresh token"
		b := r.Append(nil)
		for i := range b {
			for bit := range 8 {
				b[i] ^= 1 << bit
				var parsed Record
				if Parse(b, &parsed) == nil {
					require.False(t, parsed == r)
					require.Equal(t, b, parsed.Append(nil))
				}
				b[i] ^= 1 << bit
			}
		}
	}
}
