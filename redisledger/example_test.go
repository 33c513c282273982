//go:build unix

package redisledger_test

import (
	"context"
	"fmt"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/redisledger"
)

// An app opens the ledger, asks whether the server is fit for it, and hands it
// to the middleware.
func ExampleOpen() {
	server, err := miniredis.Run() // in place of a Redis of the app's own
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()

	ledger, err := redisledger.Open("redis://"+server.Addr()+"/0", "myapp:")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ledger.Close()
	sessions, err := ecgridsession.New(ecgridsession.Config{
		Keys:   [][]byte{keyOfThisApp}, // 32 random bytes, the same on every replica
		Ledger: ledger,
	})
	fmt.Println(sessions, err)
	// Output: ecgridsession.Middleware(https://rest.ecgrid.io:443) <nil>
}

// A URL that cannot be used is told of without the password in it.
func ExampleOpen_incorrect() {
	_, err := redisledger.Open("redis://:a-secret@localhost/not-a-number", "myapp:")
	fmt.Println(err)
	// Output: redisledger: Open: not a URL of a Redis server, or it has a parameter that go-redis does not know; want redis://, rediss:// or unix:// (it is not repeated here, since it may hold a password)
}

// Check is for the start and for the health page. The middleware works with a
// server that it complains of, but what that forgets is signed out no more.
func ExampleLedger_Check() {
	server, err := miniredis.Run() // in place of a Redis of the app's own
	if err != nil {
		fmt.Println(err)
		return
	}
	ledger, err := redisledger.Open("redis://"+server.Addr(), "myapp:")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ledger.Close()
	check := func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		return ledger.Check(ctx)
	}

	fmt.Println("fit:", check() == nil)
	server.Close()
	fmt.Println("fit:", check() == nil)
	// Output:
	// fit: true
	// fit: false
}

// New takes a client that the app has already, of any kind that go-redis knows.
// Apps that share a server take a prefix each.
func ExampleNew() {
	server, err := miniredis.Run() // in place of a Redis of the app's own
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), ContextTimeoutEnabled: true, MaxRetries: -1})
	defer client.Close()
	ledger := redisledger.New(client, "myapp:")

	ctx := context.Background()
	fmt.Println(ledger.CompareAndSwap(ctx, "key", nil, []byte("value"), time.Minute))
	fmt.Println(server.Keys())
	// Output:
	// true <nil>
	// [myapp:key]
}

// keyOfThisApp is what an app reads from where it keeps its passwords.
var keyOfThisApp = []byte("0123456789abcdefghijklmnopqrstuv")

// The settings for a Cluster, or for any client of one's own: short deadlines,
// and no tries but the middleware's.
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
	defer client.Close()
	sessions, err := ecgridsession.New(ecgridsession.Config{
		Keys:   [][]byte{keyOfThisApp}, // 32 random bytes, the same on every replica
		Ledger: redisledger.New(client, "myapp:"),
	})
	fmt.Println(sessions, err) // nothing has connected yet
	// Output: ecgridsession.Middleware(https://rest.ecgrid.io:443) <nil>
}
