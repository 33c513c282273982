package record

import (
	"encoding/base64"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEveryLengthIsEncodedAsTheStandardLibraryDoes(t *testing.T) {
	for n := range 200 {
		b := randomBytes(n)
		want := "before" + base64.RawURLEncoding.EncodeToString(b)
		require.Equal(t, want, string(appendEncode([]byte("before"), b)))
	}
}

func TestEveryPairOfCharactersIsEncodedAsTheStandardLibraryDoes(t *testing.T) {
	var b []byte
	for bits := range uint32(1 << 12) {
		v := binary.BigEndian.AppendUint32(nil, bits<<12|bits)
		b = append(b, v[1:]...) // each pair once in either half of three bytes
	}
	require.Equal(t, base64.RawURLEncoding.EncodeToString(b), string(appendEncode(nil, b)))
}

func BenchmarkEncode(b *testing.B) {
	src, dst := randomBytes(384), make([]byte, 0, 512)
	for name, encode := range map[string]func(dst, src []byte) []byte{
		"ours": appendEncode, "standard": base64.RawURLEncoding.AppendEncode,
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				encode(dst, src)
			}
		})
	}
}
