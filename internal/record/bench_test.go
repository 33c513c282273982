package record

import (
	"strings"
	"testing"
)

func benchmarkTokens(b *testing.B, f func(b *testing.B, r *Record)) {
	for name, token := range map[string]string{
		"jwt=700":   jwt(700),
		"jwt=2048":  jwt(2048),
		"bytes=700": strings.Repeat("~", 700),
	} {
		b.Run(name, func(b *testing.B) {
			r := session(token)
			b.ReportAllocs()
			f(b, &r)
		})
	}
}

func BenchmarkAppend(b *testing.B) {
	benchmarkTokens(b, func(b *testing.B, r *Record) {
		buf := make([]byte, 0, 4096)
		for b.Loop() {
			r.Append(buf)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	benchmarkTokens(b, func(b *testing.B, r *Record) {
		encoded := r.Append(nil)
		var parsed Record
		for b.Loop() {
			if err := Parse(encoded, &parsed); err != nil {
				b.Fatal(err)
			}
		}
	})
}
