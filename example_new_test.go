package ecgridsession_test

import (
	"bytes"
	"fmt"
	"net/http"

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

// What a Config must not be, and all that is wrong with it in one error. A
// passphrase is no key: whoever guesses it can forge the session of any user,
// and nothing on the site would show it. A cookie without the "__Host-" prefix
// can be set by every sibling domain, which so signs people in as somebody else.
// Over plain http the network reads the token.
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

// A key is changed in three steps, each of them on every replica before the
// next, and nobody is signed out.
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
