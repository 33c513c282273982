package base64url

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEveryLengthIsEncodedAsTheStandardLibraryDoes(t *testing.T) {
	for n := range 200 {
		b := randomBytes(n)
		want := "before" + base64.RawURLEncoding.EncodeToString(b)
		require.Equal(t, want, string(AppendEncode([]byte("before"), b)))
	}
}

func TestEveryPairOfCharactersIsEncodedAsTheStandardLibraryDoes(t *testing.T) {
	var b []byte
	for bits := range uint32(1 << 12) {
		v := binary.BigEndian.AppendUint32(nil, bits<<12|bits)
		b = append(b, v[1:]...) // each pair once in either half of three bytes
	}
	require.Equal(t, base64.RawURLEncoding.EncodeToString(b), string(AppendEncode(nil, b)))
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}
