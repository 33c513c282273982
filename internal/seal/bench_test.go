package seal

import (
	"fmt"
	"testing"
)

func benchmarkRings(b *testing.B, f func(b *testing.B, r *Ring, plaintext, ad []byte)) {
	for _, keys := range []int{1, 8} {
		for _, size := range []int{700, 2048} {
			b.Run(fmt.Sprintf("keys=%d/bytes=%d", keys, size), func(b *testing.B) {
				secrets := make([][]byte, keys)
				for i := range secrets {
					secrets[i] = randomBytes(KeySize)
				}
				r, err := NewRing(secrets, "benchmark")
				if err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				b.SetBytes(int64(size))
				f(b, r, randomBytes(size), []byte("__Host-ecgrid\x00https://rest.ecgrid.io"))
			})
		}
	}
}

func BenchmarkSealText(b *testing.B) {
	benchmarkRings(b, func(b *testing.B, r *Ring, plaintext, ad []byte) {
		for b.Loop() {
			r.SealText(plaintext, ad)
		}
	})
}

func BenchmarkOpenText(b *testing.B) {
	benchmarkRings(b, func(b *testing.B, r *Ring, plaintext, ad []byte) {
		value := r.SealText(plaintext, ad)
		for b.Loop() {
			if _, _, err := r.OpenText(nil, value, ad); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkOpenTextByTheLastKey(b *testing.B) {
	benchmarkRings(b, func(b *testing.B, r *Ring, plaintext, ad []byte) {
		last := Ring{keys: r.keys[len(r.keys)-1:]}
		value := last.SealText(plaintext, ad)
		for b.Loop() {
			if _, _, err := r.OpenText(nil, value, ad); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkOpenTextIntoABuffer(b *testing.B) {
	benchmarkRings(b, func(b *testing.B, r *Ring, plaintext, ad []byte) {
		value := r.SealText(plaintext, ad)
		buf := make([]byte, 0, 2*len(value))
		for b.Loop() {
			if _, _, err := r.OpenText(buf, value, ad); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkOpenTextOfAnUnknownKey(b *testing.B) {
	benchmarkRings(b, func(b *testing.B, r *Ring, plaintext, ad []byte) {
		other, err := NewRing([][]byte{randomBytes(KeySize)}, "benchmark")
		if err != nil {
			b.Fatal(err)
		}
		value := other.SealText(plaintext, ad)
		for b.Loop() {
			if _, _, err := r.OpenText(nil, value, ad); err == nil {
				b.Fatal("it opened")
			}
		}
	})
}
