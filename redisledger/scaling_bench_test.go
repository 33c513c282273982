//go:build unix

package redisledger_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/internal/redisserver"
	"github.com/ecgrid-contrib/ecgridsession/redisledger"
)

// The figures of docs/scaling.md come from here:
//
//	go test -run '^$' -bench Scaling -benchtime 1x -timeout 30m .

// ours is a client with the settings of Open.
func ours(b testing.TB, addr string) *redis.Client {
	b.Helper()
	options, err := redis.ParseURL("redis://" + addr + "?pool_size=64&pool_timeout=10s&read_timeout=10s")
	require.NoError(b, err)
	client := redis.NewClient(redisledger.ForLedger(options))
	b.Cleanup(func() { client.Close() })
	return client
}

// BenchmarkScalingLatency sets Load beside a bare GET through the same client,
// in turns, so that both meet the same machine.
func BenchmarkScalingLatency(b *testing.B) {
	client := ours(b, redisserver.Start(b).Addr)
	ledger, ctx := redisledger.New(client, ""), context.Background()
	const rounds = 20_000
	calls := []struct {
		name string
		call func() error
	}{
		{"GET", func() error {
			if err := client.Get(ctx, "ecgrid:"+sessionKey).Err(); err != redis.Nil {
				return err
			}
			return nil
		}},
		{"Load", func() error { _, err := ledger.Load(ctx, sessionKey, userKey); return err }},
	}
	for b.Loop() {
		took := make([][]time.Duration, len(calls))
		for range rounds {
			for i, c := range calls {
				began := time.Now()
				require.NoError(b, c.call())
				took[i] = append(took[i], time.Since(began))
			}
		}
		for i, c := range calls {
			slices.Sort(took[i])
			b.ReportMetric(float64(took[i][rounds/2].Nanoseconds())/1000, c.name+"-p50-µs")
			b.ReportMetric(float64(took[i][rounds*99/100].Nanoseconds())/1000, c.name+"-p99-µs")
		}
		b.ReportMetric(float64(took[1][rounds/2])/float64(took[0][rounds/2]), "p50-ratio")
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkScalingMemory fills a server with a million entries of each kind,
// of the size that the middleware writes, and asks what they take.
func BenchmarkScalingMemory(b *testing.B) {
	const entries = 1_000_000
	const lives = 8 * time.Hour
	ended, refreshed := sizes(b)
	b.Run("smallest", func(b *testing.B) {
		fill(b, entries, func(ctx context.Context, client *redis.Client, _ *redisledger.Ledger, i int) error {
			return client.Set(ctx, fmt.Sprintf("%x", i), 1, lives).Err()
		})
	})
	for _, kind := range []struct {
		name string
		size int
	}{{"ended", ended}, {"refreshed", refreshed}} {
		b.Run(kind.name, func(b *testing.B) {
			value := make([]byte, kind.size)
			rand.Read(value)
			fill(b, entries, func(ctx context.Context, _ *redis.Client, ledger *redisledger.Ledger, i int) error {
				swapped, err := ledger.CompareAndSwap(ctx, fmt.Sprintf("s%022d", i), nil, value, lives)
				if err == nil && !swapped {
					err = fmt.Errorf("entry %d is there", i)
				}
				return err
			})
			b.ReportMetric(float64(kind.size), "value-bytes")
		})
	}
}

// sizes are those of the values that the middleware writes: of a session that
// has ended, and of one whose token, of 400 bytes, has been refreshed.
func sizes(b *testing.B) (ended, refreshed int) {
	b.Helper()
	server := redisserver.Start(b)
	client := ours(b, server.Addr)
	a := newApp(b, redisledger.New(client, ""))
	size := func() int {
		keys, err := client.Keys(b.Context(), "ecgrid:s*").Result()
		require.NoError(b, err)
		require.Len(b, keys, 1)
		require.Len(b, keys[0], len("ecgrid:"+sessionKey))
		return int(client.StrLen(b.Context(), keys[0]).Val())
	}
	a.grid.SetTokenTTL(2 * time.Second)
	cookie := a.start(a.grid.Issue(demo.ID))
	time.Sleep(1100 * time.Millisecond)
	require.Equal(b, http.StatusOK, a.request(http.MethodGet, "/", cookie).Code)
	refreshed = size()
	require.Equal(b, http.StatusSeeOther, a.request(http.MethodPost, "/logout", cookie).Code)
	return size(), refreshed
}

// fill puts so many entries into an empty server and reports what they take.
func fill(b *testing.B, entries int, put func(context.Context, *redis.Client, *redisledger.Ledger, int) error) {
	b.Helper()
	ctx := context.Background()
	for b.Loop() {
		client := ours(b, redisserver.Start(b).Addr)
		ledger := redisledger.New(client, "")
		// The connections and the script are there before it is measured.
		each := func(from, to int) {
			var next atomic.Int64
			var group sync.WaitGroup
			for range 64 {
				group.Go(func() {
					for {
						i := from + int(next.Add(1)) - 1
						if i >= to {
							return
						}
						if err := put(ctx, client, ledger, i); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			group.Wait()
		}
		each(entries, entries+1000)
		before, had := used(b, client)
		began := time.Now()
		each(0, entries)
		took := time.Since(began)
		after, has := used(b, client)
		b.ReportMetric(float64(after-before)/float64(has-had), "bytes/entry")
		b.ReportMetric(float64(has-had)/took.Seconds(), "writes/s")
	}
	b.ReportMetric(0, "ns/op")
}

func used(b *testing.B, client *redis.Client) (bytes, keys int64) {
	b.Helper()
	info, err := client.Info(context.Background(), "memory").Result()
	require.NoError(b, err)
	_, rest, _ := strings.Cut(info, "used_memory:")
	_, err = fmt.Sscan(rest, &bytes)
	require.NoError(b, err)
	keys, err = client.DBSize(context.Background()).Result()
	require.NoError(b, err)
	return bytes, keys
}

// BenchmarkScalingWrap is requests per second through Wrap, with either ledger,
// in turns.
func BenchmarkScalingWrap(b *testing.B) {
	server := redisserver.Start(b)
	client := ours(b, server.Addr)
	const workers, period, turns = 64, 2 * time.Second, 3
	ledgers := []struct {
		name   string
		ledger ecgridsession.Ledger
	}{{"memory", ecgridsession.NewMemoryLedger()}, {"redis", redisledger.New(client, "")}}
	for b.Loop() {
		counts := make([]int64, len(ledgers))
		worked := cpu(b, client)
		for range turns {
			for i, l := range ledgers {
				a := newApp(b, l.ledger)
				cookie := a.start(a.grid.Issue(demo.ID))
				h := a.m.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if _, ok := a.m.Session(r.Context()); !ok {
						b.Error("signed out")
					}
				}))
				var count atomic.Int64
				var group sync.WaitGroup
				end := time.Now().Add(period)
				for range workers {
					group.Go(func() {
						r := httptest.NewRequest(http.MethodGet, "/", nil)
						r.AddCookie(cookie)
						for time.Now().Before(end) {
							h.ServeHTTP(discard{}, r)
							count.Add(1)
						}
					})
				}
				group.Wait()
				counts[i] += count.Load()
			}
		}
		for i, l := range ledgers {
			b.ReportMetric(float64(counts[i])/(turns*period.Seconds()), l.name+"-requests/s")
		}
		// Of the server alone: it does not depend on what else the machine does.
		b.ReportMetric(1e6*(cpu(b, client)-worked)/float64(counts[1]), "redis-cpu-µs/request")
	}
	b.ReportMetric(0, "ns/op")
}

// cpu is how many seconds of a processor the server has used.
func cpu(b *testing.B, client *redis.Client) float64 {
	b.Helper()
	info, err := client.Info(context.Background(), "cpu").Result()
	require.NoError(b, err)
	var seconds float64
	for _, field := range []string{"used_cpu_sys:", "used_cpu_user:"} {
		_, rest, _ := strings.Cut(info, field)
		var part float64
		_, err := fmt.Sscan(rest, &part)
		require.NoError(b, err)
		seconds += part
	}
	return seconds
}

// discard is a ResponseWriter that costs nothing.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}
