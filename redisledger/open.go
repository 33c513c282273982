package redisledger

import (
	"errors"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	// callTimeout bounds a read, a write and a dial where the context does not
	// do so earlier, which [ecgridsession.Config.LedgerTimeout] does by default.
	callTimeout = 500 * time.Millisecond

	// poolTimeout is the default of LedgerTimeout: nobody waits for a connection
	// longer than for the ledger.
	poolTimeout = 200 * time.Millisecond
)

// Open returns a ledger on the one server at url:
//
//	redis://user:password@host:6379/0    rediss:// with TLS
//	unix:///run/redis/redis.sock?db=0
//
// prefix is that of [New]. It makes a client with short deadlines and no
// retries, so that a server that is down or hangs costs a request no more than
// [ecgridsession.Config.LedgerTimeout]: see New for the settings. Parameters of
// the URL, such as ?pool_size=50, go before them; redis.ParseURL has their names.
//
// Open does not connect: [Ledger.Check] does. For Sentinel or Cluster make the
// client yourself and use New. The URL is in no error, as it may hold a password.
func Open(url, prefix string) (*Ledger, error) {
	options, err := redis.ParseURL(url)
	if err != nil || !strings.Contains(url, "://") { // go-redis takes "redis:host" for localhost
		return nil, errors.New("redisledger: Open: not a URL of a Redis server, or it has a parameter that go-redis does not know; " +
			"want redis://, rediss:// or unix:// (it is not repeated here, since it may hold a password)")
	}
	client := redis.NewClient(forLedger(options))
	ledger := New(client, prefix)
	ledger.close = client.Close
	return ledger, nil
}

// forLedger sets what go-redis' defaults get wrong for this use, unless the URL
// has said it.
func forLedger(options *redis.Options) *redis.Options {
	options.ContextTimeoutEnabled = true // without it the context's deadline is ignored
	// The middleware goes on without the ledger, or tries again by itself; a
	// retry here would only spend its deadline, and go-redis' last 1 s each.
	options.MaxRetries = orDefault(options.MaxRetries, -1)
	options.DialTimeout = orDefault(options.DialTimeout, callTimeout)
	options.DialerRetries = 1 // tries, not retries; 5 by default
	options.ReadTimeout = orDefault(options.ReadTimeout, callTimeout)
	options.WriteTimeout = orDefault(options.WriteTimeout, callTimeout)
	options.PoolTimeout = orDefault(options.PoolTimeout, poolTimeout)
	// One pool: every request comes with a pipeline, and a second pool would
	// hold further connections with larger buffers.
	options.PipelinePoolSize = orDefault(options.PipelinePoolSize, -1)
	// Two further commands on each new connection, which older servers and
	// narrow ACLs refuse.
	options.DisableIdentity = true
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return options
}

// orDefault has a twin in the root package, which is not exported and so cannot
// be used here.
func orDefault[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}
