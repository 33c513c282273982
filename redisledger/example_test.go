package redisledger_test

import (
	"context"
	"log"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/redisledger"
)

func ExampleOpen() {
	ledger, err := redisledger.Open("redis://localhost:6379/0", "myapp:")
	if err != nil {
		log.Fatal(err)
	}
	defer ledger.Close()

	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := ledger.Check(ctx); err != nil {
		slog.Warn("the session ledger", "error", err)
	}
	sessions, err := ecgridsession.New(ecgridsession.Config{
		Keys:   [][]byte{ /* 32 random bytes, the same on every replica */ },
		Ledger: ledger,
	})
	_, _ = sessions, err
}

func ExampleNew_cluster() {
	client := redis.NewClusterClient(&redis.ClusterOptions{
		Addrs: []string{"redis-1:6379", "redis-2:6379", "redis-3:6379"},

		ContextTimeoutEnabled:    true,
		DialTimeout:              500 * time.Millisecond,
		DialerRetries:            1,
		ReadTimeout:              500 * time.Millisecond,
		WriteTimeout:             500 * time.Millisecond,
		PoolTimeout:              200 * time.Millisecond,
		PipelinePoolSize:         -1,
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	sessions, err := ecgridsession.New(ecgridsession.Config{
		Keys:   [][]byte{ /* 32 random bytes, the same on every replica */ },
		Ledger: redisledger.New(client, "myapp:"),
	})
	_, _ = sessions, err
}
