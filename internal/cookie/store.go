package cookie

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gorilla/sessions"

	"github.com/ecgrid-contrib/ecgridsession/internal/record"
	"github.com/ecgrid-contrib/ecgridsession/internal/session"
)

// InStore keeps the session's record in a gorilla store.
func InStore(sealed Sealed, store sessions.Store, name string, options sessions.Options, lifetime time.Duration) Carrier {
	return &storeCarrier{
		sealed: sealed, store: containedStore{store}, name: name, options: options, deletion: Deletion(name, &options), lifetime: lifetime,
	}
}

// storeCarrier keeps the sealed record as one string value in a gorilla store,
// whose backend so sees no plaintext. The store's cookie and row are transport
// and nothing else: neither its MaxAge nor its deletion decides whether a
// session is open.
//
// The store is asked on a request of its own each time (asked), and its cookie's
// value alone is taken over: the attributes are ours.
type storeCarrier struct {
	sealed   Sealed
	store    containedStore
	name     string
	options  sessions.Options
	deletion string // the line of the deletion cookie
	lifetime time.Duration
	absence  absence
}

// storeValue is the key of our one value in the store's session.
const storeValue = "ecgridsession"

// Read implements [Carrier].
func (c *storeCarrier) Read(r *http.Request) (record.Record, Reading) {
	first, err := r.Cookie(c.name)
	switch {
	case err != nil:
		return record.Record{}, Absent
	// gorilla's own stores tell of a cookie that is longer than they take with
	// an error like any other: it would pass for a backend that fails.
	case len(c.name)+len(first.Value) > MaxSize:
		return record.Record{}, Unreadable
	}
	stored, err := c.find(r)
	switch {
	case err != nil && c.absence.told(stored, first.Value, err, c.missing):
		// A cookie that does not open, and a row that is gone, are the browser's
		// to forget.
		return record.Record{}, Unreadable
	case err != nil:
		// All other errors are of the backend, and must not sign anybody out.
		return record.Record{}, Unreachable
	case stored == nil || stored.IsNew:
		return record.Record{}, Absent
	}
	value, ok := stored.Values[storeValue].(string)
	if !ok {
		return record.Record{}, Unreadable
	}
	return c.sealed.Open(value)
}

// find returns the session that the request's cookie names; it is new where
// there is none.
func (c *storeCarrier) find(r *http.Request) (*sessions.Session, error) {
	own, done := asked(r)
	defer done()
	stored, err := c.store.New(own, c.name)
	if err != nil || stored != nil && !stored.IsNew {
		return stored, err
	}
	// Some stores make a session in New, and look for one in Get alone.
	return c.store.Get(own, c.name)
}

// Write keeps to an order: save aside, look at what came, remove the old row,
// set the cookie. Whatever fails on the way, the browser has either the old
// cookie with its row, or the new one with its own.
func (c *storeCarrier) Write(w http.ResponseWriter, r *http.Request, rec *record.Record, fresh bool) error {
	present := c.present(r)
	row, own, done, err := c.row(r, present, fresh)
	defer done()
	if err != nil {
		return err
	}
	value, err := c.save(own, row, c.sealed.Seal(rec))
	switch {
	case err != nil:
		return err
	case value == nil && row == present:
		return nil // the browser has its cookie, and the store sets one for a new row alone
	case value == nil:
		return errors.New("ecgridsession: the session store set no cookie")
	// What the store adds to our value, such as its own sealing, counts too.
	case len(c.name)+len(value.Value) > MaxSize:
		return session.ErrTooLarge
	}
	if present != nil && fresh {
		// A store that does not part the two would let whoever knew the id from
		// before sign-in share the session.
		if row.ID != "" && row.ID == present.ID {
			return errors.New("ecgridsession: the session store gave a new session the id of the old one")
		}
		// Only now, when there is a session to take its place.
		if err := c.forget(r, present); err != nil {
			return err
		}
	}
	Set(w.Header(), c.name, c.line(value))
	return nil
}

// row is the session to be saved, and the request to save it on. It is a new one,
// with an id of its own, where the session is fresh: whoever knew the id from
// before sign-in would share it (ASVS 5.0, 7.2.4). The store makes it, since some
// choose the id in New, on a request without our cookie, since others find
// the row by that. A refresh keeps the row, so as not to leave one behind each time.
func (c *storeCarrier) row(
	r *http.Request, present *sessions.Session, fresh bool,
) (row *sessions.Session, own *http.Request, done context.CancelFunc, err error) {
	if present != nil && !fresh {
		own, done = asked(r)
		return present, own, done, nil
	}
	own, done = asked(r)
	if lines := Without(own.Header["Cookie"], c.name); len(lines) > 0 {
		own.Header["Cookie"] = lines
	} else {
		own.Header.Del("Cookie")
	}
	row, err = c.store.New(own, c.name)
	switch {
	case err != nil:
		return nil, nil, done, fmt.Errorf("%w: %w", ErrStore, err)
	case row == nil || !row.IsNew && len(row.Values) > 0:
		return nil, nil, done, fmt.Errorf("%w: it made no new session", ErrStore)
	}
	row.IsNew = true // some stores leave that to whoever saves it
	return row, own, done, nil
}

// present is the row that the request's cookie names, or nil.
func (c *storeCarrier) present(r *http.Request) *sessions.Session {
	if _, err := r.Cookie(c.name); err != nil {
		return nil
	}
	present, err := c.find(r)
	if err != nil || present == nil || present.IsNew {
		return nil
	}
	return present
}

// save saves value in row, aside: a store may set its cookie and then fail, or
// set one that browsers drop for its length. It returns the cookie that the
// store has set, or nil.
func (c *storeCarrier) save(own *http.Request, row *sessions.Session, value string) (*http.Cookie, error) {
	options := c.options
	// Several stores take MaxAge 0 for a deletion.
	options.MaxAge = int(c.lifetime / time.Second)
	row.Options = &options
	if row.Values == nil {
		row.Values = make(map[any]any)
	}
	row.Values[storeValue] = value
	aside := headerOnly{}
	if err := c.store.Save(own, aside, row); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStore, err)
	}
	set, err := http.ParseSetCookie(LastLine(http.Header(aside), c.name))
	if err != nil || set.Value == "" {
		return nil, nil
	}
	return set, nil
}

// line is the store's cookie with our attributes: not every store passes on all of
// sessions.Options.
func (c *storeCarrier) line(set *http.Cookie) string {
	return (&http.Cookie{
		Name: c.name, Value: set.Value, Quoted: set.Quoted, MaxAge: int(c.lifetime / time.Second),
		Expires: time.Now().Add(c.lifetime), // as gorilla writes it
		Path:    c.options.Path, Secure: c.options.Secure, HttpOnly: c.options.HttpOnly, SameSite: c.options.SameSite,
	}).String()
}

// Delete sets the deletion cookie first: a backend that fails must not leave
// the cookie in the browser.
func (c *storeCarrier) Delete(w http.ResponseWriter, r *http.Request) error {
	// The line is ours, whatever the store does: gorilla's own deletion still
	// carries the values.
	Set(w.Header(), c.name, c.deletion)
	if present := c.present(r); present != nil {
		return c.forget(r, present)
	}
	return nil
}

// forget removes the row of a session from the store's backend. MaxAge below 0
// is how gorilla's stores are told to delete. The values go first, for stores
// that write them into the deletion.
func (c *storeCarrier) forget(r *http.Request, row *sessions.Session) error {
	own, done := asked(r)
	defer done()
	row.Values = make(map[any]any)
	options := c.options
	options.MaxAge = -1
	row.Options = &options
	if err := c.store.Save(own, headerOnly{}, row); err != nil {
		return fmt.Errorf("%w: it kept its row: %w", ErrStore, err)
	}
	return nil
}

// missing makes a row and deletes it, and returns what the store says when it is
// asked for it then. The row holds nothing that opens.
func (c *storeCarrier) missing() (said string, known bool) {
	bare, err := http.NewRequest(http.MethodGet, "/", nil)
	if err != nil {
		return "", false
	}
	row, own, done, err := c.row(bare, nil, true)
	defer done()
	if err != nil {
		return "", false
	}
	set, err := c.save(own, row, "")
	if err != nil || set == nil {
		return "", false
	}
	bare.Header.Set("Cookie", (&http.Cookie{Name: set.Name, Value: set.Value, Quoted: set.Quoted}).String())
	present := c.present(bare)
	if present == nil || c.forget(bare, present) != nil {
		return "", false // the backend does not do what it should, now
	}
	found, err := c.find(bare)
	if err == nil {
		return "", true
	}
	return words(err, found, set.Value), true
}
