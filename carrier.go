package ecgridsession

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"

	"github.com/ecgrid-contrib/ecgridsession/internal/record"
	"github.com/ecgrid-contrib/ecgridsession/internal/seal"
)

// carrier brings a session's record to the browser and back: as our own cookie,
// or through a gorilla store.
type carrier interface {
	// read opens what the request carries. The record is zero unless it was read.
	read(r *http.Request) (record.Record, reading)
	// write sets the cookie that carries rec, fresh where the session has just
	// started. It returns ErrSessionTooLarge where rec does not fit.
	write(w http.ResponseWriter, r *http.Request, rec *record.Record, fresh bool) error
	// delete sets the deletion cookie, and forgets what is stored elsewhere.
	delete(w http.ResponseWriter, r *http.Request) error
}

// reading is what a carrier made of a request.
type reading uint8

const (
	absent      reading = iota // there is no cookie of our name
	unreadable                 // there is one, and it is not ours
	unreachable                // the store's backend could not be asked
	outdated                   // read, by an older key
	current                    // read, by the first key
)

// sealedRecord seals records for one cookie name and one upstream, so that a
// cookie of the test system is nothing to the live one.
type sealedRecord struct {
	ring *seal.Ring
	ad   []byte
	// buffers are of *[2 * maxCookie]byte, what opening a cookie takes: a
	// kilobyte of garbage less for every request.
	buffers *sync.Pool
}

func newSealedRecord(keys [][]byte, cookie string, upstream origin) (sealedRecord, error) {
	ring, err := seal.NewRing(keys, "session cookie")
	if err != nil {
		return sealedRecord{}, err
	}
	// A cookie name holds no NUL, so no two pairs run together.
	ad := []byte(cookie + "\x00" + upstream.String())
	buffers := &sync.Pool{New: func() any { return new([2 * maxCookie]byte) }}
	return sealedRecord{ring: ring, ad: ad, buffers: buffers}, nil
}

func (s sealedRecord) seal(rec *record.Record) string {
	return s.ring.SealText(rec.Append(nil), s.ad)
}

func (s *sealedRecord) open(value string) (rec record.Record, how reading) {
	buffer := s.buffers.Get().(*[2 * maxCookie]byte)
	defer s.buffers.Put(buffer)
	plain, byFirst, err := s.ring.OpenText(buffer[:0], value, s.ad)
	defer clear(plain) // the record is a copy
	switch {
	case err != nil || record.Parse(plain, &rec) != nil:
		return rec, unreadable
	case byFirst:
		return rec, current
	default:
		return rec, outdated
	}
}

// cookieCarrier is the default: from the Cookie header straight to the record.
type cookieCarrier struct {
	sealed   sealedRecord
	name     string
	options  sessions.Options
	deletion string // the line of the deletion cookie
}

func (c *cookieCarrier) read(r *http.Request) (record.Record, reading) {
	var found [maxSameName]string
	values, ok := cookieValues(found[:0], r.Header, c.name)
	if !ok {
		return record.Record{}, unreadable
	}
	var rec record.Record
	verdict := absent
	for _, value := range values {
		var candidate record.Record
		how := unreadable
		// Before any decoding, so that a megabyte costs what a byte does.
		if len(c.name)+len(value) <= maxCookie {
			candidate, how = c.sealed.open(value)
		}
		switch {
		case how == unreadable:
			verdict = max(verdict, unreadable)
		case verdict == outdated || verdict == current:
			// Two that open: somebody tossed one of them at the browser, and
			// nothing says which.
			return record.Record{}, unreadable
		default:
			rec, verdict = candidate, how
		}
	}
	return rec, verdict
}

func (c *cookieCarrier) write(w http.ResponseWriter, _ *http.Request, rec *record.Record, _ bool) error {
	value := c.sealed.seal(rec)
	if len(c.name)+len(value) > maxCookie {
		return ErrSessionTooLarge
	}
	setCookie(w.Header(), c.name, cookieLine(c.name, value, &c.options))
	return nil
}

func (c *cookieCarrier) delete(w http.ResponseWriter, _ *http.Request) error {
	setCookie(w.Header(), c.name, c.deletion)
	return nil
}

// storeCarrier keeps the sealed record as one string value in a gorilla store,
// whose backend so sees no plaintext.
type storeCarrier struct {
	sealed   sealedRecord
	store    sessions.Store
	name     string
	options  sessions.Options
	deletion string // the line of the deletion cookie
	lifetime time.Duration
}

// storeValue is the key of our one value in the store's session.
const storeValue = "ecgridsession"

func (c *storeCarrier) read(r *http.Request) (record.Record, reading) {
	// gorilla's own stores tell of a cookie that is longer than they take with
	// an error like any other: it would pass for a backend that fails.
	if first, err := r.Cookie(c.name); err == nil && len(c.name)+len(first.Value) > maxCookie {
		return record.Record{}, unreadable
	}
	stored, err := c.store.New(r, c.name)
	if err != nil {
		var decoding securecookie.Error
		if errors.As(err, &decoding) && decoding.IsDecode() || errors.Is(err, os.ErrNotExist) {
			return record.Record{}, unreadable
		}
		return record.Record{}, unreachable
	}
	if stored == nil || stored.IsNew {
		return record.Record{}, absent
	}
	value, ok := stored.Values[storeValue].(string)
	if !ok {
		return record.Record{}, unreadable
	}
	return c.sealed.open(value)
}

func (c *storeCarrier) write(w http.ResponseWriter, r *http.Request, rec *record.Record, fresh bool) error {
	// Fresh, with an id of its own: whoever knew the one from before sign-in
	// would share the session (ASVS 5.0, 7.2.4).
	session := sessions.NewSession(c.store, c.name)
	session.IsNew = true
	present, err := c.store.New(r, c.name)
	if err != nil || present == nil || present.IsNew {
		present = nil // there is no row to be found by this cookie
	}
	if present != nil && !fresh {
		session = present
	}
	options := c.options
	// Several stores take MaxAge 0 for a deletion.
	options.MaxAge = int(c.lifetime / time.Second)
	session.Options = &options
	session.Values[storeValue] = c.sealed.seal(rec)

	// Aside first: a store may set its cookie and then fail, or set one that
	// browsers drop for its length.
	aside := headerOnly{}
	if err := c.store.Save(r, aside, session); err != nil {
		return fmt.Errorf("%w: %w", errStoreUnavailable, err)
	}
	line := lastCookieLine(http.Header(aside), c.name)
	pair, _, _ := strings.Cut(line, ";")
	switch {
	case line == "":
		return fmt.Errorf("ecgridsession: the session store set no cookie")
	case len(pair)-len("=") > maxCookie:
		return ErrSessionTooLarge
	}
	if present != nil && fresh {
		// Only now, when there is a session to take its place.
		if err := c.forget(r, present); err != nil {
			return err
		}
	}
	setCookie(w.Header(), c.name, line)
	return nil
}

func (c *storeCarrier) delete(w http.ResponseWriter, r *http.Request) error {
	// The line is ours, whatever the store does: gorilla's own deletion still
	// carries the values.
	setCookie(w.Header(), c.name, c.deletion)
	present, err := c.store.New(r, c.name)
	if err != nil || present == nil || present.IsNew {
		return nil // there is no row to be found by this cookie
	}
	return c.forget(r, present)
}

// forget removes the row of a session from the store's backend.
func (c *storeCarrier) forget(r *http.Request, session *sessions.Session) error {
	session.Values = make(map[any]any)
	options := c.options
	options.MaxAge = -1
	session.Options = &options
	if err := c.store.Save(r, headerOnly{}, session); err != nil {
		return fmt.Errorf("%w: it kept its row: %w", errStoreUnavailable, err)
	}
	return nil
}

// headerOnly is a ResponseWriter that goes nowhere.
type headerOnly http.Header

func (h headerOnly) Header() http.Header         { return http.Header(h) }
func (h headerOnly) Write(p []byte) (int, error) { return len(p), nil }
func (h headerOnly) WriteHeader(int)             {}
