//go:build unix

package redisledger_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/internal/redisserver"
	"github.com/ecgrid-contrib/ecgridsession/redisledger"
)

var _ ecgridsession.Ledger = (*redisledger.Ledger)(nil)

func TestLoadIsOneRoundTripForAllKeys(t *testing.T) {
	w := newWire(t, redisserver.Start(t).Addr)
	ledger, ctx := opened(t, w.addr), background(t)
	_, err := ledger.Load(ctx, "a") // connects
	require.NoError(t, err)
	for _, keys := range [][]string{{"a"}, {"a", "b"}, strings.Fields(strings.Repeat("a b c ", 30))} {
		got := w.count(func() { _, err = ledger.Load(ctx, keys...) })
		require.NoError(t, err)
		assert.Equal(t, 1, got, "%d keys", len(keys))
	}
	assert.EqualValues(t, 1, w.connections.Load(), "a pipeline needs no connection of its own")
}

func TestASwapIsOneRoundTripOnceTheServerKnowsTheScript(t *testing.T) {
	server := redisserver.Start(t)
	w := newWire(t, server.Addr)
	ledger, ctx := opened(t, w.addr), background(t)
	_, err := ledger.Load(ctx, "a")
	require.NoError(t, err)
	swaps := func(key string) {
		swapped, err := ledger.CompareAndSwap(ctx, key, nil, []byte("value"), time.Minute)
		require.NoError(t, err)
		require.True(t, swapped)
	}
	assert.Equal(t, 2, w.count(func() { swaps("first") }), "the script goes with the first")
	assert.Equal(t, 1, w.count(func() { swaps("second") }))

	// A server that was restarted, or failed over to, has forgotten it.
	require.NoError(t, raw(t, server.Addr).ScriptFlush(ctx).Err())
	assert.Equal(t, 2, w.count(func() { swaps("third") }))
	assert.Equal(t, 1, w.count(func() { swaps("fourth") }))
}

func TestEveryKeyHasATimeToLive(t *testing.T) {
	server := redisserver.Start(t)
	ledger, ctx := opened(t, server.Addr), background(t)
	for i, ttl := range []time.Duration{1, time.Microsecond, time.Millisecond, time.Minute, 1000 * time.Hour} {
		key := fmt.Sprint("key", i)
		swapped, err := ledger.CompareAndSwap(ctx, key, nil, []byte("first"), ttl+time.Minute)
		require.NoError(t, err)
		require.True(t, swapped)
		swapped, err = ledger.CompareAndSwap(ctx, key, []byte("first"), []byte("second"), ttl)
		require.NoError(t, err)
		require.True(t, swapped)
		left, err := raw(t, server.Addr).PTTL(ctx, "ecgrid:"+key).Result()
		require.NoError(t, err)
		assert.LessOrEqual(t, left, max(ttl, time.Millisecond), "ttl %s", ttl)
		assert.NotEqual(t, time.Duration(-1), left, "ttl %s: it is kept for good", ttl)
	}
	for _, ttl := range []time.Duration{0, -time.Second} {
		_, err := ledger.CompareAndSwap(ctx, "never", nil, []byte("value"), ttl)
		assert.Error(t, err, "ttl %s", ttl)
	}
	assert.Zero(t, raw(t, server.Addr).Exists(ctx, "ecgrid:never").Val())
}

func TestReplicasShareWhatEachHasWritten(t *testing.T) {
	server := redisserver.Start(t)
	one, other, ctx := opened(t, server.Addr), opened(t, server.Addr), background(t)
	swapped, err := one.CompareAndSwap(ctx, "key", nil, []byte("ended"), time.Minute)
	require.NoError(t, err)
	require.True(t, swapped)
	values, err := other.Load(ctx, "key")
	require.NoError(t, err)
	assert.Equal(t, "ended", string(values[0]))
	swapped, err = other.CompareAndSwap(ctx, "key", nil, []byte("revived"), time.Minute)
	require.NoError(t, err)
	assert.False(t, swapped)
}

func TestAppsWithPrefixesOfTheirOwnDoNotMeet(t *testing.T) {
	server := redisserver.Start(t)
	client, ctx := raw(t, server.Addr), background(t)
	prefixes := map[string]string{"": "ecgrid:", "app1:": "app1:", "app1:x": "app1:x", "{tag}": "{tag}"}
	for prefix := range prefixes {
		swapped, err := redisledger.New(client, prefix).CompareAndSwap(ctx, "key", nil, []byte("of "+prefix), time.Minute)
		require.NoError(t, err)
		require.True(t, swapped, "%q", prefix)
	}
	for prefix, begins := range prefixes {
		values, err := redisledger.New(client, prefix).Load(ctx, "key", "other")
		require.NoError(t, err)
		assert.Equal(t, "of "+prefix, string(values[0]))
		assert.EqualValues(t, 1, client.Exists(ctx, begins+"key").Val())
	}
	assert.EqualValues(t, len(prefixes), client.DBSize(ctx).Val())
}

func TestAKeyOfAnotherTypeIsThereAndOpensNothing(t *testing.T) {
	server := redisserver.Start(t)
	ctx := background(t)
	for name, put := range map[string]func(c *redis.Client, key string) error{
		"list": func(c *redis.Client, key string) error { return c.RPush(ctx, key, "x").Err() },
		"hash": func(c *redis.Client, key string) error { return c.HSet(ctx, key, "a", "b").Err() },
		"set":  func(c *redis.Client, key string) error { return c.SAdd(ctx, key, "x").Err() },
		"stream": func(c *redis.Client, key string) error {
			return c.XAdd(ctx, &redis.XAddArgs{Stream: key, Values: []string{"a", "b"}}).Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, put(raw(t, server.Addr), "ecgrid:"+name))
			ledger := opened(t, server.Addr)
			// By itself, and together with another.
			for _, keys := range [][]string{{name}, {name, "absent"}} {
				values, err := ledger.Load(ctx, keys...)
				require.NoError(t, err)
				require.NotNil(t, values[0], "an entry that somebody has overwritten is not absent")
				assert.Empty(t, values[0])
			}
			swapped, err := ledger.CompareAndSwap(ctx, name, nil, []byte("revived"), time.Minute)
			require.NoError(t, err)
			assert.False(t, swapped)
			swapped, err = ledger.CompareAndSwap(ctx, name, []byte{}, []byte("ended"), time.Minute)
			require.NoError(t, err)
			require.True(t, swapped, "it can be replaced by an entry of ours")
			values, err := ledger.Load(ctx, name)
			require.NoError(t, err)
			assert.Equal(t, "ended", string(values[0]))
		})
	}
}

func TestClosingALedgerLeavesTheAppsClientOpen(t *testing.T) {
	server := redisserver.Start(t)
	client, ctx := raw(t, server.Addr), background(t)
	require.NoError(t, redisledger.New(client, "").Close())
	assert.NoError(t, client.Ping(ctx).Err())

	own, err := redisledger.Open("redis://"+server.Addr, "")
	require.NoError(t, err)
	require.NoError(t, own.Close())
	_, err = own.Load(ctx, "key")
	assert.ErrorIs(t, err, redis.ErrClosed)
}

func TestALedgerWithoutAClientFailsAtOnceAndNotAtTheFirstRequest(t *testing.T) {
	assert.PanicsWithValue(t, "redisledger: no client", func() { redisledger.New(nil, "") })
}
