package cookie

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"

	"github.com/ecgrid-contrib/ecgridsession/internal/record"
	"github.com/ecgrid-contrib/ecgridsession/internal/session"
)

// InStore keeps the session's record in a gorilla store.
func InStore(sealed Sealed, store sessions.Store, name string, options sessions.Options, lifetime time.Duration) Carrier {
	return &storeCarrier{
		sealed: sealed, store: store, name: name, options: options, deletion: Deletion(name, &options), lifetime: lifetime,
	}
}

// storeCarrier keeps the sealed record as one string value in a gorilla store,
// whose backend so sees no plaintext. The store's cookie and row are transport
// and nothing else: neither its MaxAge nor its deletion decides whether a
// session is open.
type storeCarrier struct {
	sealed   Sealed
	store    sessions.Store
	name     string
	options  sessions.Options
	deletion string // the line of the deletion cookie
	lifetime time.Duration
}

// storeValue is the key of our one value in the store's session.
const storeValue = "ecgridsession"

// Read implements [Carrier].
func (c *storeCarrier) Read(r *http.Request) (record.Record, Reading) {
	// gorilla's own stores tell of a cookie that is longer than they take with
	// an error like any other: it would pass for a backend that fails.
	if first, err := r.Cookie(c.name); err == nil && len(c.name)+len(first.Value) > MaxSize {
		return record.Record{}, Unreadable
	}
	// New and not Get, which would give what is in the request's registry: an
	// app that uses the same store could have changed it there.
	stored, err := c.store.New(r, c.name)
	if err != nil {
		var decoding securecookie.Error
		// A cookie that does not open, and a row that is gone, are the
		// browser's to forget. All other errors are of the backend, and must
		// not sign anybody out.
		if errors.As(err, &decoding) && decoding.IsDecode() || errors.Is(err, os.ErrNotExist) {
			return record.Record{}, Unreadable
		}
		return record.Record{}, Unreachable
	}
	if stored == nil || stored.IsNew {
		return record.Record{}, Absent
	}
	value, ok := stored.Values[storeValue].(string)
	if !ok {
		return record.Record{}, Unreadable
	}
	return c.sealed.Open(value)
}

// Write keeps to an order: save aside, look at what came, remove the old row,
// set the cookie. Whatever fails on the way, the browser has either the old
// cookie with its row, or the new one with its own.
func (c *storeCarrier) Write(w http.ResponseWriter, r *http.Request, rec *record.Record, fresh bool) error {
	// Fresh, with an id of its own: whoever knew the one from before sign-in
	// would share the session (ASVS 5.0, 7.2.4).
	row := sessions.NewSession(c.store, c.name)
	row.IsNew = true
	present, err := c.store.New(r, c.name)
	if err != nil || present == nil || present.IsNew {
		present = nil // there is no row to be found by this cookie
	}
	if present != nil && !fresh {
		// Same row: a refresh must not leave one behind each time.
		row = present
	}
	options := c.options
	// Several stores take MaxAge 0 for a deletion.
	options.MaxAge = int(c.lifetime / time.Second)
	row.Options = &options
	row.Values[storeValue] = c.sealed.Seal(rec)

	// Aside first: a store may set its cookie and then fail, or set one that
	// browsers drop for its length.
	aside := headerOnly{}
	if err := c.store.Save(r, aside, row); err != nil {
		return fmt.Errorf("%w: %w", ErrStore, err)
	}
	line := LastLine(http.Header(aside), c.name)
	pair, _, _ := strings.Cut(line, ";")
	switch {
	case line == "":
		return fmt.Errorf("ecgridsession: the session store set no cookie")
	// What the store adds to our value, such as its own sealing, counts too.
	case len(pair)-len("=") > MaxSize:
		return session.ErrTooLarge
	}
	if present != nil && fresh {
		// Only now, when there is a session to take its place.
		if err := c.forget(r, present); err != nil {
			return err
		}
	}
	Set(w.Header(), c.name, line)
	return nil
}

// Delete sets the deletion cookie first: a backend that fails must not leave
// the cookie in the browser.
func (c *storeCarrier) Delete(w http.ResponseWriter, r *http.Request) error {
	// The line is ours, whatever the store does: gorilla's own deletion still
	// carries the values.
	Set(w.Header(), c.name, c.deletion)
	present, err := c.store.New(r, c.name)
	if err != nil || present == nil || present.IsNew {
		return nil // there is no row to be found by this cookie
	}
	return c.forget(r, present)
}

// forget removes the row of a session from the store's backend. MaxAge below 0
// is how gorilla's stores are told to delete. The values go first, for stores
// that write them into the deletion.
func (c *storeCarrier) forget(r *http.Request, row *sessions.Session) error {
	row.Values = make(map[any]any)
	options := c.options
	options.MaxAge = -1
	row.Options = &options
	if err := c.store.Save(r, headerOnly{}, row); err != nil {
		return fmt.Errorf("%w: it kept its row: %w", ErrStore, err)
	}
	return nil
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
