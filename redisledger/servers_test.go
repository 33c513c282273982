//go:build unix

package redisledger_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/internal/redisserver"
	"github.com/ecgrid-contrib/ecgridsession/redisledger"
)

// quiet keeps go-redis, which logs each failed dial, out of the tests' output.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

func init() { redis.SetLogger(quiet{}) }

// opened is a ledger on the server at addr, closed with the test.
func opened(t *testing.T, addr string) *redisledger.Ledger {
	t.Helper()
	ledger, err := redisledger.Open("redis://"+addr, "")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, ledger.Close()) })
	return ledger
}

func onMiniredis(t *testing.T) *redisledger.Ledger {
	t.Helper()
	server := miniredis.RunT(t)
	// It lets no time pass by itself.
	stop := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		last := time.Now()
		for {
			select {
			case <-stop:
				return
			case now := <-time.After(5 * time.Millisecond):
				server.FastForward(now.Sub(last))
				last = now
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-stopped })
	return opened(t, server.Addr()+patient)
}

// raw is a plain client of the server at addr.
func raw(t *testing.T, addr string) *redis.Client {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true, MaxRetries: -1})
	t.Cleanup(func() { client.Close() })
	return client
}

// clientOf is what the documentation of New tells to make, but that it waits
// longer for a connection.
func clientOf(t *testing.T, masterName string, addrs ...string) redis.UniversalClient {
	t.Helper()
	client := redis.NewUniversalClient(&redis.UniversalOptions{
		Addrs:                    addrs,
		MasterName:               masterName,
		ContextTimeoutEnabled:    true,
		MaxRetries:               -1,
		MaxRedirects:             3,
		DialTimeout:              500 * time.Millisecond,
		DialerRetries:            1,
		ReadTimeout:              500 * time.Millisecond,
		WriteTimeout:             500 * time.Millisecond,
		PoolTimeout:              10 * time.Second,
		PipelinePoolSize:         -1,
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	t.Cleanup(func() { client.Close() })
	return client
}

// newCluster starts a Cluster of two masters, each with half of the slots.
func newCluster(t *testing.T) (addrs []string) {
	t.Helper()
	ctx := t.Context()
	var masters []*redis.Client
	for _, slots := range [][2]int{{0, 8191}, {8192, 16383}} {
		_, bus, err := net.SplitHostPort(redisserver.FreeAddr(t))
		require.NoError(t, err)
		server := redisserver.Start(t, "--cluster-enabled", "yes", "--cluster-port", bus)
		master := raw(t, server.Addr)
		require.NoError(t, master.ClusterAddSlotsRange(ctx, slots[0], slots[1]).Err())
		masters, addrs = append(masters, master), append(addrs, server.Addr)
		if len(masters) == 2 {
			host, port, err := net.SplitHostPort(server.Addr)
			require.NoError(t, err)
			require.NoError(t, masters[0].Do(ctx, "CLUSTER", "MEET", host, port, bus).Err())
		}
	}
	require.Eventually(t, func() bool {
		for _, master := range masters {
			info, err := master.ClusterInfo(ctx).Result()
			if err != nil || !strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, "cluster_known_nodes:2") {
				return false
			}
		}
		return true
	}, 20*time.Second, 50*time.Millisecond, "the cluster does not come up")
	return addrs
}

// newSentinel starts a master, and a Sentinel that knows it by the name of
// "master".
func newSentinel(t *testing.T) (addr string) {
	t.Helper()
	master := redisserver.Start(t)
	sentinel := redisserver.StartSentinel(t)
	host, port, err := net.SplitHostPort(master.Addr)
	require.NoError(t, err)
	require.NoError(t, raw(t, sentinel.Addr).Do(t.Context(), "SENTINEL", "MONITOR", "master", host, port, "1").Err())
	return sentinel.Addr
}

func background(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}
