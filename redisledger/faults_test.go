//go:build unix

package redisledger_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/internal/redisserver"
	"github.com/ecgrid-contrib/ecgridsession/redisledger"
)

// promptly is how long a call may take whose deadline is a fifth of a second. It
// is far below the 5 s and the three retries that go-redis has by default.
const promptly = 2 * time.Second

// calls makes both calls of a ledger and returns how long the slower one took,
// and their errors.
func calls(ctx context.Context, l ecgridsession.Ledger) (slower time.Duration, loading, swapping error) {
	began := time.Now()
	_, loading = l.Load(ctx, "a", "b")
	loaded := time.Since(began)
	began = time.Now()
	_, swapping = l.CompareAndSwap(ctx, "key", nil, []byte("value"), time.Minute)
	return max(loaded, time.Since(began)), loading, swapping
}

func TestAHangingServerCostsTheDeadlineAndNoMore(t *testing.T) {
	server := redisserver.Start(t)
	connected, fresh := opened(t, server.Addr), opened(t, server.Addr)
	_, err := connected.Load(background(t), "a")
	require.NoError(t, err)
	server.Pause()
	for name, ledger := range map[string]*redisledger.Ledger{"with a connection": connected, "without one": fresh} {
		t.Run(name, func(t *testing.T) {
			for range 3 {
				ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
				_, err := ledger.Load(ctx, "a", "b")
				cancel()
				assert.ErrorIs(t, err, context.DeadlineExceeded)
				ctx, cancel = context.WithTimeout(context.Background(), 200*time.Millisecond)
				began := time.Now()
				_, err = ledger.CompareAndSwap(ctx, "key", nil, []byte("value"), time.Minute)
				cancel()
				assert.ErrorIs(t, err, context.DeadlineExceeded)
				assert.Less(t, time.Since(began), promptly)
			}
		})
	}
	t.Run("cancelled, with no deadline", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(50*time.Millisecond, cancel)
		took, loading, swapping := calls(ctx, connected)
		assert.ErrorIs(t, loading, context.Canceled)
		assert.ErrorIs(t, swapping, context.Canceled)
		assert.Less(t, took, promptly)
	})
	t.Run("many at once", func(t *testing.T) {
		began := time.Now()
		results := make(chan error, 500)
		for range cap(results) {
			go func() {
				ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
				defer cancel()
				_, err := connected.Load(ctx, "a", "b")
				results <- err
			}()
		}
		for range cap(results) {
			assert.Error(t, <-results)
		}
		assert.Less(t, time.Since(began), promptly, "they wait for connections one after the other")
	})
	server.Resume()
	require.Eventually(t, func() bool {
		_, err := connected.Load(background(t), "a", "b")
		return err == nil
	}, 20*time.Second, 20*time.Millisecond, "the ledger does not come back with its server")
}

func TestAServerThatIsDownIsReportedAtOnceAndFoundAgain(t *testing.T) {
	server := redisserver.Start(t)
	ledger := opened(t, server.Addr)
	_, loading, swapping := calls(background(t), ledger)
	require.NoError(t, errors.Join(loading, swapping))

	server.Kill()
	took, loading, swapping := calls(background(t), ledger)
	assert.Error(t, loading)
	assert.Error(t, swapping)
	assert.Less(t, took, promptly)

	server.Restart()
	require.Eventually(t, func() bool {
		_, loading, swapping := calls(background(t), ledger)
		return loading == nil && swapping == nil
	}, 20*time.Second, 20*time.Millisecond)
}

func TestOneCallDialsOnce(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	var dials atomic.Int64
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			dials.Add(1)
			conn.Close()
		}
	}()
	ledger := opened(t, l.Addr().String())
	_, err = ledger.Load(background(t), "a", "b")
	require.Error(t, err)
	assert.EqualValues(t, 1, dials.Load(), "what fails is tried again")
}

func TestAConnectionIsMadeWithoutFurtherCommands(t *testing.T) {
	w := newWire(t, redisserver.Start(t).Addr)
	_, loading, swapping := calls(background(t), opened(t, w.addr))
	require.NoError(t, errors.Join(loading, swapping))
	heard := w.heard()
	for _, want := range []string{"hello", "get", "evalsha"} {
		assert.Contains(t, heard, want)
	}
	for _, extra := range []string{"setinfo", "maint_notifications", "setname", "tracking", "select"} {
		assert.NotContains(t, heard, extra)
	}
}

func TestAHandshakeThatIsRefusedIsNoAnswer(t *testing.T) {
	// A pipeline of go-redis has no error on its commands then: an empty value
	// would end the sessions of everybody.
	locked := redisserver.Start(t, "--requirepass", "right")
	full := redisserver.Start(t, "--maxclients", "1")
	require.NoError(t, raw(t, full.Addr).Ping(background(t)).Err()) // keeps its connection
	clustered := newCluster(t)
	for _, addr := range clustered {
		require.NoError(t, raw(t, addr).ConfigSet(background(t), "requirepass", "right").Err())
	}
	for name, ledger := range map[string]*redisledger.Ledger{
		"no password":      opened(t, locked.Addr),
		"a wrong password": opened(t, "user:wrong@"+locked.Addr),
		"too many clients": opened(t, full.Addr),
		"a cluster":        redisledger.New(clientOf(t, "", clustered...), ""),
	} {
		t.Run(name, func(t *testing.T) {
			for _, keys := range [][]string{{"a"}, {"a", "b"}} {
				values, err := ledger.Load(background(t), keys...)
				assert.Error(t, err, "%d keys", len(keys))
				assert.Nil(t, values)
			}
			_, err := ledger.CompareAndSwap(background(t), "key", nil, []byte("value"), time.Minute)
			assert.Error(t, err)
		})
	}
}

func TestAClusterNodeThatRefusesTheHandshakeIsNoAnswer(t *testing.T) {
	addrs := newCluster(t)
	ledger := redisledger.New(clientOf(t, "", addrs...), "")
	keys := strings.Fields("a b c d e f g h i j k l m n o p") // on both nodes
	_, err := ledger.Load(background(t), keys...)
	require.NoError(t, err)
	// A new connection to one of the nodes is refused from now on.
	second := raw(t, addrs[1])
	require.NoError(t, second.ConfigSet(background(t), "requirepass", "right").Err())
	require.NoError(t, second.ClientKillByFilter(background(t), "TYPE", "normal", "SKIPME", "yes").Err())
	_, err = ledger.Load(background(t), keys...)
	assert.Error(t, err, "the values of one node pass for those of both")
}

func TestThePasswordIsInNoErrorOfOpen(t *testing.T) {
	for _, url := range []string{
		"redis://user:canary-secret@host:port", "redis://user:canary-secret@host:6379/db", "redis://user:canary-secret@host/0?unknown=1",
		"redis://user:canary-secret@ho st", "http://user:canary-secret@host", "user:canary-secret@host", "redis:canary-secret@host",
		"redis://user:canary%secret@host", "canary-secret", "",
	} {
		ledger, err := redisledger.Open(url, "")
		if assert.Error(t, err, url) {
			assert.NotContains(t, err.Error(), "canary")
			assert.NotContains(t, err.Error(), "secret")
		}
		assert.Nil(t, ledger)
	}
}

func TestThePasswordIsInNoErrorOfACall(t *testing.T) {
	server := redisserver.Start(t, "--requirepass", "right")
	for _, url := range []string{"redis://:canary-secret@" + server.Addr, "redis://:canary-secret@" + redisserver.FreeAddr(t)} {
		ledger, err := redisledger.Open(url, "")
		require.NoError(t, err)
		defer ledger.Close()
		_, loading, swapping := calls(background(t), ledger)
		for _, err := range []error{loading, swapping, ledger.Check(background(t))} {
			require.Error(t, err)
			assert.NotContains(t, err.Error(), "canary")
		}
	}
}
