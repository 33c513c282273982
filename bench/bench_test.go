package main_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/bench/subject"
)

// The subjects of the command as Go benchmarks, for profiles and for benchstat:
//
//	go test -run='^$' -bench=Opening/JWT,_700/7/ecgridsession -cpuprofile=cpu.out ./bench

func BenchmarkOpening(b *testing.B) {
	for _, kind := range []subject.Kind{subject.JWT, subject.Opaque} {
		for _, size := range []int{64, 700, 1500, 2048} {
			token := subject.Token{Kind: kind, Size: size}
			for _, cookies := range []int{1, 1 + subject.Others} {
				b.Run(fmt.Sprintf("%s/%d", token, cookies), func(b *testing.B) {
					subjects, err := subject.Opening(subject.Case{Token: token, Others: cookies > 1, Dir: b.TempDir()})
					benchmark(b, subjects, err)
				})
			}
		}
	}
}

func BenchmarkOpeningParallel(b *testing.B) {
	subjects, err := subject.Opening(subject.Case{Token: usual, Others: true, Dir: b.TempDir()})
	parallel(b, subjects, err)
}

func BenchmarkKeys(b *testing.B) {
	var cases []subject.KeyCase
	for _, keys := range []int{1, 2, 4, 8} {
		for _, sealer := range []subject.Sealer{subject.Newest, subject.Oldest, subject.Unknown} {
			for _, dest := range []subject.Dest{subject.Image, subject.Document} {
				cases = append(cases, subject.KeyCase{Keys: keys, Sealer: sealer, Dest: dest})
			}
		}
	}
	subjects, err := subject.Keys(usual, cases)
	benchmark(b, subjects, err)
}

func BenchmarkNoSession(b *testing.B) {
	subjects, err := subject.Nothing()
	benchmark(b, subjects, err)
}

func BenchmarkOutbound(b *testing.B) {
	subjects, err := subject.Outbound(usual)
	benchmark(b, subjects, err)
}

func BenchmarkSealing(b *testing.B) {
	subjects, err := subject.Sealing(usual)
	benchmark(b, subjects, err)
}

func BenchmarkLedger(b *testing.B) {
	subjects, err := subject.Ledger(1_000_000)
	parallel(b, subjects, err)
}

var usual = subject.Token{Kind: subject.JWT, Size: 700}

func benchmark(b *testing.B, subjects []subject.Subject, err error) {
	b.Helper()
	require.NoError(b, err)
	for _, s := range subjects {
		b.Run(s.Name, func(b *testing.B) {
			b.ReportAllocs()
			operation := s.Begin()
			for b.Loop() {
				if err := operation(); err != nil {
					b.Fatal(err)
				}
			}
			if s.Cookie > 0 {
				b.ReportMetric(float64(s.Cookie), "cookie-bytes")
			}
		})
	}
}

func parallel(b *testing.B, subjects []subject.Subject, err error) {
	b.Helper()
	require.NoError(b, err)
	for _, s := range subjects {
		b.Run(s.Name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				operation := s.Begin()
				for pb.Next() {
					if err := operation(); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
