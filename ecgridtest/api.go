package ecgridtest

import (
	"crypto/rand"
	"net/http"
	"sync"
	"time"
)

const (
	// A token of the default size is near to a real one, so that a session in a
	// test fits the cookie as it does in production.
	defaultTokenTTL  = 15 * time.Minute
	defaultTokenSize = 400

	// maxBody is far over what any documented call needs, so that it is met
	// only by a caller that has gone wrong.
	maxBody = 1 << 20

	// maxCalls leaves room for exact counts in a load test, and still keeps an
	// API that runs for days from growing without end.
	maxCalls = 1 << 20
)

// An API is a fake ECGrid REST API: an [http.Handler] that needs no network.
//
// It starts without users, see [API.AddUser], and keeps everything in memory
// for as long as it lives, expired tokens included: it is for tests and
// examples, and no server for the public. Its state is its own; two APIs know
// nothing of each other's tokens.
//
// To cut a connection, and when the caller has gone away before a delayed call
// was handled, ServeHTTP panics with [http.ErrAbortHandler], as net/http wants
// it. A test that calls ServeHTTP itself, instead of through a server, has to
// recover that one value where it injects such faults.
//
// An API starts no goroutine and reads the time with [time.Now], so that it
// follows the fake clock of a testing/synctest bubble if it is made inside.
//
// All methods are safe for concurrent use. The zero API is not usable: call
// [NewAPI] or [NewServer].
type API struct {
	// closed is closed by the server's end; nil where nothing but the caller
	// ends a hung call.
	closed <-chan struct{}
	// signKey signs the tokens. It is random: nobody is to check a fake's
	// tokens.
	signKey []byte

	// mu guards all below it. It is one lock for everything, so that each call
	// happens before or after another and never within it, as a test has to be
	// able to say.
	mu        sync.Mutex
	users     map[int64]*user
	byLogin   map[string]*user
	byKey     map[string]*user
	byToken   map[string]*session
	byRefresh map[string]*session

	// What tokens are like from now on; those that were issued stay as they
	// are.
	tokenTTL      time.Duration
	tokenSize     int
	refreshTokens bool
	dialect       Dialect

	// faults are those that are not used up, in the order in which they were
	// injected.
	faults []*fault
	calls  callLog
}

// NewAPI returns a fake ECGrid without users, whose tokens live for 15 minutes
// and are about 400 bytes long.
//
// A caller who serves it on a server of their own closes the clients'
// connections before the server if calls may still hang; [NewServer] does.
func NewAPI() *API {
	a := &API{
		signKey:   make([]byte, 32),
		users:     make(map[int64]*user),
		byLogin:   make(map[string]*user),
		byKey:     make(map[string]*user),
		byToken:   make(map[string]*session),
		byRefresh: make(map[string]*session),
		tokenTTL:  defaultTokenTTL,
		tokenSize: defaultTokenSize,
		calls:     callLog{limit: maxCalls},
	}
	rand.Read(a.signKey)
	return a
}

// ServeHTTP answers one call of the API, or treats it as an injected fault
// demands. A call goes through five stations, in this order: it is logged, its
// body is read, its fault is waited out, it is handled, its status is logged
// and its answer sent. Each kind of fault leaves at one of them, and that is
// all the difference there is between them: Reset before anything has happened,
// DropAfter when the call has been handled.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	number, f := a.arrive(r)
	if f.Reset && f.Delay == 0 {
		// Before the body is read: a body that never ends must not hold up
		// the cut.
		panic(http.ErrAbortHandler)
	}

	// The body is read before any wait, since net/http notices that a caller
	// of HTTP/1 has left only when the body has been read to its end.
	body, err := readBody(r)
	if f.Hang {
		drain(r)
		a.wait(r, nil)
		panic(http.ErrAbortHandler)
	}
	if f.Delay > 0 {
		timer := time.NewTimer(f.Delay)
		defer timer.Stop()
		if !a.wait(r, timer.C) {
			panic(http.ErrAbortHandler)
		}
	}
	if f.Reset {
		panic(http.ErrAbortHandler)
	}

	// An answer of the fault's own means that the call never gets to the users
	// and tokens.
	ans, replaced := f.answer(kindOf(r))
	if !replaced {
		ans = a.handle(r, body, err)
	}
	// The status is not in the log: the caller never had it.
	if f.DropAfter {
		panic(http.ErrAbortHandler)
	}
	ans = a.currentDialect().worded(ans).with(f.Header)

	// The status is entered before the answer leaves, so that a test that has
	// read the answer finds it in the log.
	if r.Context().Err() == nil {
		a.finish(number, ans.status)
	}
	ans.write(w)
}

// arrive enters the call into the log and picks its fault in one step, so that
// the order of the log is the order in which faults were used up.
func (a *API) arrive(r *http.Request) (number uint64, f Fault) {
	a.mu.Lock()
	defer a.mu.Unlock()
	number = a.calls.add(Call{Method: r.Method, Path: r.URL.Path, Kind: kindOf(r), At: time.Now()})
	return number, a.takeFault(r.URL.Path)
}

// finish does not find a call that later ones have pushed out of the log.
func (a *API) finish(number uint64, status int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls.setStatus(number, status)
}

// wait returns true when alarm fires, and false when the caller has gone away
// or the server is closing. With a nil alarm it waits for either end.
func (a *API) wait(r *http.Request, alarm <-chan time.Time) bool {
	select {
	case <-alarm:
		return true
	case <-r.Context().Done():
		return false
	case <-a.closed:
		return false
	}
}
