package ecgridsession_test

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/ecgrid-contrib/ecgridsession"
)

// Two Middlewares that share a ledger and the keys are two replicas of one app:
// signed out on one is signed out on the other.
func ExampleNewMemoryLedger() {
	key, ledger := newKey(), ecgridsession.NewMemoryLedger()
	_, ecgrid := fakeECGrid()
	defer ecgrid.Close()
	replica := func() http.Handler {
		sessions, err := ecgridsession.New(ecgridsession.Config{
			Upstream: ecgrid.URL,
			Keys:     [][]byte{key},
			Ledger:   ledger,
		})
		if err != nil {
			fmt.Println(err)
		}
		app := http.NewServeMux()
		app.Handle("/login", sessions.LoginHandler())
		app.Handle("/logout", sessions.LogoutHandler())
		app.Handle("/session", sessions.SessionHandler())
		return app
	}

	browser := browse(replica())
	browser.signIn()
	copied := browser.copied()
	copied.app = replica()
	fmt.Println(copied.get("/session")[:len("200")])
	browser.post("/logout", "")
	fmt.Println(copied.get("/session"))
	// Output:
	// 200
	// 401 {"authenticated":false}
}

// slowLog is a Ledger that tells of slow calls of another. All that it sees may
// be shown: keys tell at most which user it is, and values are sealed.
type slowLog struct {
	ecgridsession.Ledger
	limit time.Duration
	tell  func(what string, took time.Duration)
}

func (l slowLog) Load(ctx context.Context, keys ...string) ([][]byte, error) {
	defer l.watch("load", time.Now())
	return l.Ledger.Load(ctx, keys...)
}

func (l slowLog) CompareAndSwap(ctx context.Context, key string, old, next []byte, ttl time.Duration) (bool, error) {
	defer l.watch("swap", time.Now())
	return l.Ledger.CompareAndSwap(ctx, key, old, next, ttl)
}

func (l slowLog) watch(what string, began time.Time) {
	if took := time.Since(began); took >= l.limit {
		l.tell(what, took)
	}
}

// A Ledger has two methods. This one stands in front of another and tells of its
// slow calls; ledgertest.Run shows whether one keeps the contract.
func ExampleLedger() {
	calls := make(map[string]int)
	sessions, _, ecgrid := exampleSessions(func(cfg *ecgridsession.Config) {
		cfg.Ledger = slowLog{
			Ledger: ecgridsession.NewMemoryLedger(),
			limit:  0, // every call, so that there is something to see
			tell:   func(what string, _ time.Duration) { calls[what]++ },
		}
	})
	defer ecgrid.Close()
	app := http.NewServeMux()
	app.Handle("/login", sessions.LoginHandler())
	app.Handle("/session", sessions.SessionHandler())

	browser := browse(app)
	browser.signIn()
	clear(calls)
	browser.get("/session")
	fmt.Println(calls)
	// Output: map[load:1]
}
