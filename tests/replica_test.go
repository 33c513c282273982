package tests

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// The calls of the fake ECGrid that tests count.
const (
	refreshCall = "/v2/auth/refresh"
	inboxCall   = "/v2/parcels/inbox-list"
	resetCall   = "/v2/users/reset/4711" // of demo
)

// cluster is one app on several replicas, all of them in this process: one
// ECGrid, one ledger, one key.
type cluster struct {
	t      *testing.T
	api    *ecgridtest.API
	ledger *testLedger
	key    []byte
	change func(*ecgridsession.Config) // of every replica; nil: none
}

// newCluster has no replica yet. In a synctest bubble, all of it follows the
// bubble's clock.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{t: t, api: ecgridtest.NewAPI(), ledger: newTestLedger(), key: randomKey(t)}
	c.api.AddUser(demo)
	return c
}

// refreshes is how often ECGrid was asked for a fresh token.
func (c *cluster) refreshes() int { return len(c.api.Calls(refreshCall)) }

// replica is one process of the app.
//
//	/        names the user
//	/private a page behind Require
//	/token   gives the token that an outbound call would carry
//	/call    calls ECGrid and passes its status on
//	/login, /logout, /everywhere, /session: the handlers of the library
type replica struct {
	*cluster
	m      *ecgridsession.Middleware
	app    http.Handler
	mux    *http.ServeMux // further routes, behind Wrap
	events *eventLog
	logs   *logBuffer
}

// replica starts one; each change is applied to the Config before New.
func (c *cluster) replica(changes ...func(*ecgridsession.Config)) *replica {
	c.t.Helper()
	r := &replica{cluster: c, mux: http.NewServeMux(), events: &eventLog{}, logs: &logBuffer{}}
	cfg := ecgridsession.Config{
		Keys:          [][]byte{c.key},
		Ledger:        c.ledger,
		BaseTransport: handlerTransport{c.api},
		Logger:        slog.New(slog.NewTextHandler(r.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
		OnEvent:       r.events.add,
	}
	if c.change != nil {
		c.change(&cfg)
	}
	for _, change := range changes {
		change(&cfg)
	}
	m, err := ecgridsession.New(cfg)
	require.NoError(c.t, err)
	c.t.Cleanup(func() {
		// By the bubble's clock: long enough for a last try at everything.
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_ = m.Close(ctx) // what is left has an unreachable upstream: the test's own doing
	})
	r.m = m
	r.routes()
	r.app = r.m.Wrap(r.mux)
	return r
}

// aheadBy sets the replica's clock apart from everybody else's.
func (r *replica) aheadBy(d time.Duration) *replica {
	setNow(r.m, func() time.Time { return time.Now().Add(d) })
	return r
}

func (r *replica) routes() {
	r.mux.Handle("/login", r.m.LoginHandler())
	r.mux.Handle("/logout", r.m.LogoutHandler())
	r.mux.Handle("/everywhere", r.m.LogoutEverywhereHandler())
	r.mux.Handle("/session", r.m.SessionHandler())
	r.mux.HandleFunc("/{$}", func(w http.ResponseWriter, req *http.Request) {
		if session, ok := r.m.Session(req.Context()); ok {
			io.WriteString(w, "user "+session.Login)
			return
		}
		io.WriteString(w, "anonymous")
	})
	r.mux.Handle("/private", r.m.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "private")
	})))
	r.mux.Handle("/token", r.m.Require(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		credential, err := r.m.Credential(req.Context())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		io.WriteString(w, credential.Token)
	})))
	outbound := &http.Client{Transport: r.m.Transport(handlerTransport{r.api})}
	r.mux.Handle("/call", r.m.Require(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		call, _ := http.NewRequestWithContext(req.Context(), http.MethodPost, upstream+inboxCall, strings.NewReader("{}"))
		resp, err := outbound.Do(call)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		w.WriteHeader(resp.StatusCode)
		io.Copy(w, resp.Body)
	})))
}

// upstream is the default of Config.Upstream.
const upstream = "https://rest.ecgrid.io"

// visitor is a browser: it holds the one cookie.
type visitor struct{ cookie string }

// send sends a request to a replica and takes over the cookie that it sets.
// Header is a list of names and values.
func (v *visitor) send(r *replica, method, path string, header ...string) answer {
	return v.sendUntil(context.Background(), r, method, path, header...)
}

// sendUntil is send by a browser that hangs up when ctx is done.
func (v *visitor) sendUntil(ctx context.Context, r *replica, method, path string, header ...string) answer {
	return v.sendForm(ctx, r, method, path, nil, header...)
}

func (v *visitor) sendForm(ctx context.Context, r *replica, method, path string, form url.Values, header ...string) answer {
	req := httptest.NewRequestWithContext(ctx, method, "https://app.example"+path, strings.NewReader(form.Encode()))
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	if v.cookie != "" {
		req.Header.Set("Cookie", "__Host-ecgrid="+v.cookie)
	}
	w := httptest.NewRecorder()
	r.app.ServeHTTP(w, req)
	got := answer{w.Result(), w.Body.String()}
	for _, set := range got.Cookies() {
		if set.Name == "__Host-ecgrid" {
			v.cookie = set.Value
		}
	}
	return got
}

func (v *visitor) get(r *replica, path string, header ...string) answer {
	return v.send(r, http.MethodGet, path, header...)
}

func (v *visitor) post(r *replica, path string, header ...string) answer {
	return v.send(r, http.MethodPost, path, header...)
}

// copy is a second browser with the same cookie.
func (v *visitor) copy() *visitor { return &visitor{cookie: v.cookie} }

// token is what an outbound call of the visitor's would carry now, by a method
// that refreshes on demand alone.
func (v *visitor) token(r *replica) string {
	r.t.Helper()
	got := v.post(r, "/token")
	require.Equal(r.t, http.StatusOK, got.StatusCode, got.body)
	return got.body
}

// signIn is a visitor who signs in with a password.
func (r *replica) signIn(user ecgridtest.User) *visitor {
	r.t.Helper()
	return r.signInWith(url.Values{"login": {user.Login}, "password": {user.Password}})
}

// signInByKey is a visitor who signs in with an API key.
func (r *replica) signInByKey(user ecgridtest.User) *visitor {
	r.t.Helper()
	return r.signInWith(url.Values{"api_key": {user.APIKey}})
}

func (r *replica) signInWith(form url.Values) *visitor {
	r.t.Helper()
	v := &visitor{}
	got := v.sendForm(context.Background(), r, http.MethodPost, "/login", form)
	require.Equal(r.t, http.StatusSeeOther, got.StatusCode, got.body)
	require.NotEmpty(r.t, v.cookie)
	return v
}

// atOnce runs n functions at the same time and waits for all of them.
func atOnce(n int, f func(i int)) {
	var all sync.WaitGroup
	begin := make(chan struct{})
	for i := range n {
		all.Go(func() {
			<-begin
			f(i)
		})
	}
	close(begin)
	all.Wait()
}

// testLedger is a memory ledger that can be made to fail and counts its calls.
type testLedger struct {
	memory       ecgridsession.Ledger
	loads, swaps atomic.Int64
	load, swap   atomic.Pointer[ledgerTrouble] // nil: none
}

// ledgerTrouble stands in front of a call of the ledger: act makes it.
type ledgerTrouble func(act func() error) error

func newTestLedger() *testLedger { return &testLedger{memory: ecgridsession.NewMemoryLedger()} }

// Load implements [ecgridsession.Ledger].
func (l *testLedger) Load(ctx context.Context, keys ...string) (values [][]byte, err error) {
	l.loads.Add(1)
	act := func() error {
		values, err = l.memory.Load(ctx, keys...)
		return err
	}
	if fault := l.load.Load(); fault != nil {
		if err := (*fault)(act); err != nil {
			return nil, err
		}
		return values, nil
	}
	err = act()
	return values, err
}

// CompareAndSwap implements [ecgridsession.Ledger].
func (l *testLedger) CompareAndSwap(ctx context.Context, key string, old, next []byte, ttl time.Duration) (swapped bool, err error) {
	l.swaps.Add(1)
	act := func() error {
		swapped, err = l.memory.CompareAndSwap(ctx, key, old, next, ttl)
		return err
	}
	if fault := l.swap.Load(); fault != nil {
		if err := (*fault)(act); err != nil {
			return false, err
		}
		return swapped, nil
	}
	err = act()
	return swapped, err
}

// refuseAll makes every call fail; refuseSwaps only those that write, as a
// Redis does that became a replica.
func (l *testLedger) refuseAll() {
	l.refuseSwaps()
	l.load.Store(&ledgerDown)
}
func (l *testLedger) refuseSwaps() { l.swap.Store(&ledgerDown) }

// recover makes the ledger work again, with what it held.
func (l *testLedger) recover() {
	l.load.Store(nil)
	l.swap.Store(nil)
}

var ledgerDown ledgerTrouble = func(func() error) error { return errLedgerDown }

// failNthSwap lets the n-th swap from now on fail, before or after it has acted.
func (l *testLedger) failNthSwap(n int64, acts bool) {
	var seen atomic.Int64
	var fault ledgerTrouble = func(act func() error) error {
		switch {
		case seen.Add(1) != n:
			return act()
		case acts:
			return firstError(act(), errLedgerDown)
		default:
			return errLedgerDown
		}
	}
	l.swap.Store(&fault)
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

var errLedgerDown = ledgerError("the test's ledger is down")

type ledgerError string

func (e ledgerError) Error() string { return string(e) }
