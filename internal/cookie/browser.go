package cookie

import (
	"net/http"
	"slices"

	"github.com/gorilla/sessions"

	"github.com/ecgrid-contrib/ecgridsession/internal/record"
	"github.com/ecgrid-contrib/ecgridsession/internal/session"
)

// InBrowser is the default: from the Cookie header straight to the record.
func InBrowser(sealed Sealed, name string, options sessions.Options) Carrier {
	return &cookieCarrier{sealed: sealed, name: name, options: options, deletion: Deletion(name, &options)}
}

type cookieCarrier struct {
	sealed   Sealed
	name     string
	options  sessions.Options
	deletion string // the line of the deletion cookie
}

// Read looks at each cookie of the name, since a sibling domain or a path can
// put a second one beside ours in spite of "__Host-" in an old browser: the
// first is not always the right one, as gorilla's stores and
// http.Request.Cookie take it.
func (c *cookieCarrier) Read(r *http.Request) (record.Record, Reading) {
	var found [MaxSameName]string
	values, ok := Values(found[:0], r.Header, c.name)
	if !ok {
		return record.Record{}, Unreadable
	}
	var rec record.Record
	best := Absent
	for i, value := range values {
		// The same cookie twice is one: some adapters of serverless platforms
		// send each of them so.
		if slices.Contains(values[:i], value) {
			continue
		}
		var candidate record.Record
		how := Unreadable
		// Before any decoding, so that a megabyte costs what a byte does.
		if len(c.name)+len(value) <= MaxSize {
			candidate, how = c.sealed.Open(value)
		}
		switch {
		// Garbage beside a good cookie does no harm: else anybody who can toss
		// one could keep a user from being signed in.
		case how == Unreadable:
			best = max(best, Unreadable)
		case best == Outdated || best == Current:
			// Two that open: somebody tossed one of them at the browser, and
			// nothing says which.
			return record.Record{}, Unreadable
		default:
			rec, best = candidate, how
		}
	}
	return rec, best
}

// Write fails before it sets anything, so the caller can move the credential to
// the ledger and write again.
func (c *cookieCarrier) Write(w http.ResponseWriter, _ *http.Request, rec *record.Record, _ bool) error {
	value := c.sealed.Seal(rec)
	if len(c.name)+len(value) > MaxSize {
		return session.ErrTooLarge
	}
	Set(w.Header(), c.name, Line(c.name, value, &c.options))
	return nil
}

// Delete implements [Carrier].
func (c *cookieCarrier) Delete(w http.ResponseWriter, _ *http.Request) error {
	Set(w.Header(), c.name, c.deletion)
	return nil
}
