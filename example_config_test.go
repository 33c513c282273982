package ecgridsession_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"

	"github.com/ecgrid-contrib/ecgridsession"
)

// Only the keys must be set.
func ExampleNew() {
	key := newKey() // 32 random bytes from where the app keeps its passwords
	sessions, err := ecgridsession.New(ecgridsession.Config{Keys: [][]byte{key}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(sessions)
	// Output: ecgridsession.Middleware(https://rest.ecgrid.io:443)
}

// One error names all that is wrong with a Config. A passphrase is no key. An
// attacker who guesses it can forge the session of any user, and nothing on the
// site would show it. Any sibling domain can set a cookie without the "__Host-"
// prefix, and so sign a user in as another one. Over plain http the network reads
// the token.
func ExampleNew_incorrect() {
	_, err := ecgridsession.New(ecgridsession.Config{
		Upstream:   "http://rest.ecgrid.io",
		Keys:       [][]byte{[]byte("a passphrase, however long it may be"), bytes.Repeat([]byte{7}, 32)},
		CookieName: "session",
		SameSite:   http.SameSiteNoneMode,
		AfterLogin: "https://elsewhere.example/",
	})
	fmt.Println(err)
	// Output:
	// ecgridsession: Config.Upstream: must be https: plain http is for loopback hosts only
	// ecgridsession: Config.Keys: keys[0] is 36 bytes long, not 32
	// ecgridsession: Config.Keys: keys[1] is one byte repeated, not random
	// ecgridsession: Config.CookieName: must begin with "__Host-" unless InsecureCookie is set
	// ecgridsession: Config.SameSite: must be Lax or Strict
	// ecgridsession: Config.AfterLogin: must be a path on this site, such as "/login"
}

// A key is changed in three steps. Each is done on every replica before the next
// begins. No user is signed out.
func ExampleConfig_keys() {
	ledger := ecgridsession.NewMemoryLedger() // shared, as replicas do
	oldKey, newKey := newKey(), newKey()
	var alice *exampleBrowser
	for _, step := range []struct {
		what string
		keys [][]byte
	}{
		{"before", [][]byte{oldKey}},
		{"1: the new key last", [][]byte{oldKey, newKey}},
		{"2: the new key first", [][]byte{newKey, oldKey}},
		{"3: without the old one", [][]byte{newKey}},
	} {
		sessions, _, ecgrid := exampleSessions(func(cfg *ecgridsession.Config) {
			cfg.Upstream = "https://rest.ecgrid.io"
			cfg.Keys, cfg.Ledger = step.keys, ledger
		})
		defer ecgrid.Close()
		app := sessions.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/start" {
				sessions.Start(w, r, ecgridsession.Credential{Token: "a-token", UserID: 1042})
			}
			session, _ := sessions.Session(r.Context())
			fmt.Fprint(w, "user ", session.UserID)
		}))
		if alice == nil {
			alice = browse(app)
			alice.get("/start")
		}
		alice.app = app
		fmt.Println(step.what+":", alice.get("/"))
	}
	// Output:
	// before: 200 user 1042
	// 1: the new key last: 200 user 1042
	// 2: the new key first: 200 user 1042
	// 3: without the old one: 200 user 1042
}

// A Config that is printed, logged or marshalled shows no key.
func ExampleConfig() {
	cfg := ecgridsession.Config{Keys: [][]byte{newKey(), newKey()}}
	fmt.Printf("%+v\n", cfg)
	// Output: ecgridsession.Config{Upstream: "", CookieName: "", Keys: [2 redacted]}
}

// Two Middlewares that share a ledger and the keys are two replicas of one app.
// A sign-out on one of them holds on the other.
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

// slowLog is a Ledger that reports slow calls of another. All that it sees may be
// shown. Keys reveal at most which user it is, and values are sealed.
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

// A Ledger has two methods. This one wraps another and reports its slow calls.
// ledgertest.Run checks that a ledger keeps the contract.
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

// An app's own gorilla sessions, with the same keys. Cookies that gorilla's
// store wrote are still read, and sealed again when they are saved.
func ExampleNewCookieStore() {
	oldSecret := []byte("what the app gave to sessions.NewCookieStore")
	store, err := ecgridsession.NewCookieStore(ecgridsession.CookieStoreConfig{
		Keys:     [][]byte{newKey()},
		ReadAlso: securecookie.CodecsFromPairs(oldSecret),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	app := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		settings, err := store.Get(r, "settings")
		if err != nil {
			fmt.Fprint(w, "not ours; ")
		}
		if theme := r.FormValue("theme"); theme != "" {
			settings.Values["theme"] = theme
			if err := settings.Save(r, w); err != nil {
				http.Error(w, "not saved", http.StatusInternalServerError)
				return
			}
		}
		fmt.Fprint(w, "theme: ", settings.Values["theme"])
	})
	before := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		settings, _ := sessions.NewCookieStore(oldSecret).Get(r, "settings")
		settings.Values["theme"] = "dark"
		settings.Save(r, w)
	})

	browser := browse(before)
	browser.get("/")
	browser.app = app
	fmt.Println(browser.get("/"))
	fmt.Println(browser.get("/?theme=light"))
	fmt.Println(browser.get("/"))
	browser.cookies["settings"] += "x"
	fmt.Println(browser.get("/"))
	// Output:
	// 200 theme: dark
	// 200 theme: light
	// 200 theme: light
	// 200 not ours; theme: <nil>
}
