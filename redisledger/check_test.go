//go:build unix

package redisledger_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/internal/redisserver"
	"github.com/ecgrid-contrib/ecgridsession/redisledger"
)

func TestCheckFindsNothingWrongWithASoundServer(t *testing.T) {
	server := redisserver.Start(t, "--appendonly", "yes")
	require.NoError(t, opened(t, server.Addr).Check(background(t)))
	require.Eventually(t, func() bool { return raw(t, server.Addr).DBSize(background(t)).Val() == 0 },
		20*time.Second, 50*time.Millisecond, "Check leaves something behind")
}

func TestCheckSaysWhatIsWrong(t *testing.T) {
	aof := []string{"--appendonly", "yes"}
	for _, c := range []struct {
		name string
		args []string
		want []string // in one error, a line each
	}{
		{"an evicting policy", append(aof, "--maxmemory-policy", "allkeys-lru"), []string{"maxmemory-policy is allkeys-lru"}},
		{"one that evicts what has a ttl", append(aof, "--maxmemory-policy", "volatile-ttl"), []string{"maxmemory-policy is volatile-ttl"}},
		{"no persistence", nil, []string{"appendonly is off"}},
		{"snapshots alone", []string{"--save", "60", "1"}, []string{"appendonly is off"}},
		{"both", []string{"--maxmemory-policy", "allkeys-random"}, []string{"maxmemory-policy is allkeys-random", "appendonly is off"}},
		{"a full memory", append(aof, "--maxmemory", "1"), []string{"does not store entries: redisledger: OOM"}},
		{"no right to run scripts", append(aof, "--rename-command", "EVALSHA", ""), []string{"does not store entries"}},
		{"no right to ask", append(aof, "--rename-command", "INFO", ""), []string{"does not tell its settings"}},
		{"a password", append(aof, "--requirepass", "secret"), []string{"NOAUTH", "NOAUTH"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := opened(t, redisserver.Start(t, c.args...).Addr).Check(background(t))
			require.Error(t, err)
			lines := strings.Split(err.Error(), "\n")
			require.Len(t, lines, len(c.want), "%v", err)
			for i, want := range c.want {
				assert.Contains(t, lines[i], want)
			}
		})
	}
}

func TestCheckTellsAReplicaFromItsMaster(t *testing.T) {
	master := redisserver.Start(t, "--appendonly", "yes")
	host, port, err := net.SplitHostPort(master.Addr)
	require.NoError(t, err)
	replica := redisserver.Start(t, "--appendonly", "yes", "--replicaof", host+" "+port)
	err = opened(t, replica.Addr).Check(background(t))
	require.Error(t, err)
	assert.Contains(t, err.Error(), "it is a replica")
	assert.Contains(t, err.Error(), "does not store entries")
}

func TestCheckSaysThatAServerCannotBeReached(t *testing.T) {
	server := redisserver.Start(t)
	ledger := opened(t, server.Addr)
	server.Pause()
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	assert.ErrorContains(t, ledger.Check(ctx), "cannot be reached")
	server.Kill()
	assert.ErrorContains(t, ledger.Check(background(t)), "cannot be reached")
}

// telling is a hook that lets a server say another thing in INFO.
type telling struct{ old, new string }

func (h telling) DialHook(next redis.DialHook) redis.DialHook { return next }
func (h telling) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
func (h telling) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if info, ok := cmd.(*redis.StringCmd); ok && cmd.Name() == "info" {
			before, rest, _ := strings.Cut(info.Val(), h.old)
			_, after, _ := strings.Cut(rest, "\r\n")
			info.SetVal(before + h.new + "\r\n" + after)
		}
		return err
	}
}

func TestCheckKnowsWhichVersionsWillDo(t *testing.T) {
	server := redisserver.Start(t, "--appendonly", "yes")
	for version, tooOld := range map[string]bool{
		"2.8.24": true, "5.0.14": true, "6.0.16": true, "6.2.0": false, "6.2.14": false, "7.0.15": false, "8.2.1": false, "10.0.0": false,
		"unstable": false,
	} {
		client := raw(t, server.Addr)
		client.AddHook(telling{"redis_version:", "redis_version:" + version})
		err := redisledger.New(client, "").Check(background(t))
		if tooOld {
			assert.ErrorContains(t, err, "version "+version+" is too old")
		} else {
			assert.NoError(t, err, version)
		}
	}
}

func TestCheckSaysThatTheLogOfWritesIsBroken(t *testing.T) {
	client := raw(t, redisserver.Start(t, "--appendonly", "yes").Addr)
	client.AddHook(telling{"aof_last_write_status:", "aof_last_write_status:err"})
	assert.ErrorContains(t, redisledger.New(client, "").Check(background(t)), "cannot be written")
}

func TestCheckLooksAtTheClientToo(t *testing.T) {
	server := redisserver.Start(t, "--appendonly", "yes")
	heedless := redis.NewClient(&redis.Options{Addr: server.Addr})
	defer heedless.Close()
	assert.ErrorContains(t, redisledger.New(heedless, "").Check(background(t)), "set ContextTimeoutEnabled")

	addrs := newCluster(t)
	lagging := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs, RouteByLatency: true})
	defer lagging.Close()
	err := redisledger.New(lagging, "").Check(background(t))
	assert.ErrorContains(t, err, "set ContextTimeoutEnabled")
	assert.ErrorContains(t, err, "reads from replicas")
}

func TestCheckAsksEveryMasterOfACluster(t *testing.T) {
	addrs := newCluster(t)
	err := redisledger.New(clientOf(t, "", addrs...), "").Check(background(t))
	for _, addr := range addrs {
		assert.ErrorContains(t, err, addr+": appendonly is off")
	}
	for _, addr := range addrs {
		require.NoError(t, raw(t, addr).ConfigSet(background(t), "appendonly", "yes").Err())
	}
	assert.NoError(t, redisledger.New(clientOf(t, "", addrs...), "").Check(background(t)))
}
