//go:build unix

package redisledger_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/internal/redisserver"
	"github.com/ecgrid-contrib/ecgridsession/redisledger"
)

// The keys are as long as the middleware's; neither is there, as for nearly
// every request.
const (
	sessionKey = "sAAAAAAAAAAAAAAAAAAAAAA"
	userKey    = "uAAAAAAAAAAAAAAAAAAAAAA"
)

// BenchmarkOneCall sets the calls of a ledger beside a bare GET and SET through
// the very same client, over loopback.
func BenchmarkOneCall(b *testing.B) {
	server := redisserver.Start(b)
	options, err := redis.ParseURL("redis://" + server.Addr)
	require.NoError(b, err)
	client := redis.NewClient(redisledger.ForLedger(options))
	defer client.Close()
	ledger, ctx := redisledger.New(client, ""), b.Context()
	ended := make([]byte, 42)
	for name, call := range map[string]func() error{
		"GET":         func() error { return client.Get(ctx, "ecgrid:"+sessionKey).Err() },
		"Load of two": func() error { _, err := ledger.Load(ctx, sessionKey, userKey); return err },
		"Load of one": func() error { _, err := ledger.Load(ctx, sessionKey); return err },
		"SET":         func() error { return client.Set(ctx, "bare", ended, time.Hour).Err() },
		"CompareAndSwap": func() error {
			_, err := ledger.CompareAndSwap(ctx, sessionKey, nil, ended, time.Millisecond)
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := call(); err != nil && err != redis.Nil {
					b.Fatal(err)
				}
			}
		})
	}
}
