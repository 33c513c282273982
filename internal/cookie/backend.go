package cookie

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/gorilla/sessions"
)

// errPanicked hides the panic's value, which is the app's and may hold anything.
var errPanicked = errors.New("the session store panicked")

// containedStore is the app's store, whose panic fails the call and no more: at a
// sign-in it would leave a token that ECGrid has just issued, in a goroutine of
// ours it would end the process.
type containedStore struct{ sessions.Store }

// Get implements [sessions.Store].
func (s containedStore) Get(r *http.Request, name string) (found *sessions.Session, err error) {
	defer failOnPanic(&err)
	return s.Store.Get(r, name)
}

// New implements [sessions.Store].
func (s containedStore) New(r *http.Request, name string) (made *sessions.Session, err error) {
	defer failOnPanic(&err)
	return s.Store.New(r, name)
}

// Save implements [sessions.Store].
func (s containedStore) Save(r *http.Request, w http.ResponseWriter, session *sessions.Session) (err error) {
	defer failOnPanic(&err)
	return s.Store.Save(r, w, session)
}

func failOnPanic(err *error) {
	if recover() != nil {
		*err = errPanicked
	}
}

// storeTimeout bounds one operation of a store that heeds the request's context.
const storeTimeout = 5 * time.Second

// asked is the request on which a store is asked: a copy, so that a store may do
// to it what it likes. A browser that hangs up does not cut the store short, or a
// sign-out would find no session to end. gorilla's registry of the app's request is
// hidden from it: an app that uses the same store could have changed our session
// there.
func asked(r *http.Request) (*http.Request, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), storeTimeout)
	own := r.WithContext(withoutRegistry{ctx})
	own.Header = r.Header.Clone()
	return own, cancel
}

// withoutRegistry is a context in which gorilla finds no registry.
type withoutRegistry struct{ context.Context }

// Value implements [context.Context].
func (c withoutRegistry) Value(key any) any {
	value := c.Context.Value(key)
	if _, is := value.(*sessions.Registry); is {
		return nil
	}
	return value
}

// headerOnly is a ResponseWriter that goes nowhere. It takes what a store sets,
// so that nothing of it reaches the browser unseen.
type headerOnly http.Header

// Header implements [http.ResponseWriter].
func (h headerOnly) Header() http.Header { return http.Header(h) }

// Write drops p.
func (h headerOnly) Write(p []byte) (int, error) { return len(p), nil }

// WriteHeader does nothing.
func (h headerOnly) WriteHeader(int) {}
