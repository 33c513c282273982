// Package redisledger keeps the ledger of [ecgridsession] on Redis or Valkey, so
// that all replicas of an app share it: a user who signs out on one is signed
// out on all of them.
//
//	ledger, err := redisledger.Open(os.Getenv("REDIS_URL"), "myapp:")
//	if err != nil {
//		return err
//	}
//	defer ledger.Close()
//	if err := ledger.Check(ctx); err != nil {
//		slog.Warn("the session ledger", "error", err)
//	}
//	sessions, err := ecgridsession.New(ecgridsession.Config{Keys: keys, Ledger: ledger})
//
// It needs Redis 6.2 or later, or Valkey; a single server, Sentinel or Cluster.
//
// # What the server holds
//
// One string for each session that has ended, been refreshed, or keeps its
// credential in the ledger, and one for each user who has signed out everywhere;
// none of them without a time to live. The key of a session is a hash, that of a
// user holds ECGrid's number of the user. Values are sealed with
// [ecgridsession.Config.Keys]: a dump of the server holds no secret.
//
// # What it asks of the server
//
// Nothing may be evicted: an entry that is gone may open a session that was
// ended. That is maxmemory-policy noeviction. What was acknowledged should
// outlive a restart: that is appendonly yes. [Ledger.Check] looks for both.
//
// Replication is asynchronous, so a failover may lose the last moments' writes,
// sign-outs among them; ECGrid still refuses the tokens of those, since sign-out
// revokes them there as well.
//
// A user of an ACL needs no more than
//
//	+get +set +eval +evalsha +info +ping +hello ~myapp:*
package redisledger

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecgrid-contrib/ecgridsession"
)

var _ ecgridsession.Ledger = (*Ledger)(nil)

// Ledger is an [ecgridsession.Ledger] on Redis. It is safe for concurrent use.
// The zero Ledger is not usable: call [New] or [Open].
type Ledger struct {
	client redis.UniversalClient
	prefix string
	close  func() error // nil: the client is the app's own
}

// New returns a ledger on a client that the app has already. prefix begins each
// key; "" stands for "ecgrid:". Apps that share a server take one each: with one
// prefix and keys of their own they end each other's users, and the log of the
// middleware asks about it. In a
// Cluster the keys spread over all slots by themselves; a prefix with a hash tag
// ("{app}:") would put them all on one node.
//
// go-redis' defaults are for other uses: a server that hangs would hold each
// request for many seconds. Set at least ContextTimeoutEnabled, without which
// [ecgridsession.Config.LedgerTimeout] has no effect, and MaxRetries to -1. What
// [Open] sets, for Sentinel or Cluster, is
//
//	redis.NewUniversalClient(&redis.UniversalOptions{
//		Addrs: addrs, // and MasterName for Sentinel
//
//		ContextTimeoutEnabled: true, // LedgerTimeout holds
//		MaxRetries:            -1,   // the middleware knows better what to do
//		MaxRedirects:          3,    // Cluster only: how often to follow a slot that has moved
//		DialTimeout:           500 * time.Millisecond,
//		DialerRetries:         1, // this counts the tries
//		ReadTimeout:           500 * time.Millisecond,
//		WriteTimeout:          500 * time.Millisecond,
//		PoolTimeout:           200 * time.Millisecond,
//		PipelinePoolSize:      -1, // no second pool of connections
//		DisableIdentity:       true, // no CLIENT SETINFO
//		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
//	})
//
// Never let the client read from replicas (ReadOnly, RouteByLatency,
// RouteRandomly): they lag, and would open a session that has just ended. Nor
// let it cache on its side.
//
// New panics where client is nil.
func New(client redis.UniversalClient, prefix string) *Ledger {
	if client == nil {
		panic("redisledger: no client") // and not at the first request
	}
	if prefix == "" {
		prefix = "ecgrid:"
	}
	return &Ledger{client: client, prefix: prefix}
}

// Close closes the client of a ledger that came from [Open]. One that was given
// to [New] stays open. It returns what closing the client returns.
func (l *Ledger) Close() error {
	if l.close == nil {
		return nil
	}
	return l.close()
}

// Load implements [ecgridsession.Ledger] in one round trip: a pipeline of GETs,
// since an MGET of keys in different slots is refused by a Cluster, and takes
// for absent what is of another type than a string. Its error wraps that of ctx
// where it is done; any other is go-redis' own.
func (l *Ledger) Load(ctx context.Context, keys ...string) ([][]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, l.fault(ctx, err)
	}
	values := make([][]byte, len(keys))
	// Transitions look at one entry: a plain GET is a round trip as well, and
	// no pipeline is built.
	if len(keys) == 1 {
		value, err := valueOf(l.client.Get(ctx, l.prefix+keys[0]))
		if err != nil {
			return nil, l.fault(ctx, err)
		}
		values[0] = value
		return values, nil
	}
	pipe := l.client.Pipeline()
	gets := make([]*redis.StringCmd, len(keys))
	for i, key := range keys {
		gets[i] = pipe.Get(ctx, l.prefix+key)
		gets[i].SetVal(unanswered)
	}
	_, execErr := pipe.Exec(ctx)
	for i, get := range gets {
		value, err := valueOf(get)
		// What ended the pipeline says more than that there was no answer.
		if err == errUnanswered && execErr != nil && !errors.Is(execErr, redis.Nil) {
			err = execErr
		}
		if err != nil {
			return nil, l.fault(ctx, err)
		}
		values[i] = value
	}
	return values, nil
}

// unanswered is what a GET of a pipeline holds until it is answered. go-redis
// leaves one without an error where its connection is refused in the handshake,
// for a wrong password or too many clients: as it is, that would pass for an
// empty value, and end sessions.
var unanswered = rand.Text()

var errUnanswered = errors.New("the server did not answer")

// valueOf is what a GET has found. What is there and is no string was not written
// by us: it counts as an empty value, which opens nothing, and not as absent.
func valueOf(get *redis.StringCmd) ([]byte, error) {
	value, err := get.Bytes()
	switch {
	case err == nil && string(value) == unanswered:
		return nil, errUnanswered
	case err == nil && len(value) == 0, isWrongType(err):
		return []byte{}, nil
	case errors.Is(err, redis.Nil):
		return nil, nil
	default:
		return value, err
	}
}

func isWrongType(err error) bool {
	return err != nil && strings.HasPrefix(err.Error(), "WRONGTYPE ")
}

// compareAndSwap takes a key, the new value, its time to live in milliseconds
// and, unless there must be none, the value that must be there. GET gives false
// where there is none. What is no string counts as empty, as for Load.
var compareAndSwap = redis.NewScript(`
local present = redis.pcall('GET', KEYS[1])
if type(present) == 'table' then
  if string.sub(present.err, 1, 10) ~= 'WRONGTYPE ' then return present end
  present = ''
end
if present ~= (ARGV[3] or false) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`)

// CompareAndSwap implements [ecgridsession.Ledger] by one script, which Redis
// runs as one step. Its errors are as those of Load, and one each for a ttl
// that is not over 0 and a nil next. A ttl is rounded up to milliseconds.
func (l *Ledger) CompareAndSwap(ctx context.Context, key string, old, next []byte, ttl time.Duration) (bool, error) {
	switch {
	case ctx.Err() != nil:
		return false, l.fault(ctx, ctx.Err())
	case ttl <= 0:
		return false, errors.New("redisledger: entry without a time to live")
	case next == nil:
		return false, errors.New("redisledger: entry without a value")
	}
	args := []any{next, milliseconds(ttl)}
	if old != nil {
		args = append(args, old)
	}
	swapped, err := compareAndSwap.Run(ctx, l.client, []string{l.prefix + key}, args...).Bool()
	if err != nil {
		return false, l.fault(ctx, err)
	}
	return swapped, nil
}

// milliseconds rounds up: Redis counts in them, takes no 0, and an entry stays
// for at least its time.
func milliseconds(ttl time.Duration) int64 {
	ms := ttl.Milliseconds()
	if ttl%time.Millisecond != 0 {
		ms++
	}
	return ms
}

// fault makes an error of ours, by which a context that is done is to be
// recognized: go-redis reports a deadline as the timeout of a read, and that a
// little before the context knows of it.
func (l *Ledger) fault(ctx context.Context, err error) error {
	cause := ctx.Err()
	if deadline, ok := ctx.Deadline(); ok && cause == nil && !time.Now().Before(deadline) {
		cause = context.DeadlineExceeded
	}
	if cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("redisledger: %w: %w", cause, err)
	}
	return fmt.Errorf("redisledger: %w", err)
}
