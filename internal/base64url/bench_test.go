package base64url

import (
	"encoding/base64"
	"fmt"
	"testing"
)

// BenchmarkEncode compares AppendEncode with what the standard library has for the same purpose.
func BenchmarkEncode(b *testing.B) {
	src, dst := randomBytes(384), make([]byte, 0, 512)
	for name, encode := range map[string]func(dst, src []byte) []byte{
		"ours": AppendEncode, "standard": base64.RawURLEncoding.AppendEncode,
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				encode(dst, src)
			}
		})
	}
}

// BenchmarkDecode compares Decode with what the standard library has for the same purpose.
func BenchmarkDecode(b *testing.B) {
	for _, size := range []int{733, 2081} {
		text := base64.RawURLEncoding.EncodeToString(randomBytes(size))
		buf := make([]byte, size)
		b.Run(fmt.Sprintf("ours/bytes=%d", size), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				Decode(buf, text)
			}
		})
		b.Run(fmt.Sprintf("standard/bytes=%d", size), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			strict := base64.RawURLEncoding.Strict()
			src := []byte(text)
			for b.Loop() {
				_, _ = strict.Decode(buf, src)
			}
		})
	}
}
