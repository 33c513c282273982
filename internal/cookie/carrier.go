// Package cookie is how a session's record travels: the Cookie and Set-Cookie
// headers as text, the seal around a record, and the two carriers, our own
// cookie and a gorilla store.
//
// It promises that what a carrier reads was sealed by us for this cookie name
// and this upstream, and that a cookie it sets is the last and only one of its
// name. It does not know whether a session is still open: limits and the ledger
// decide that, and neither is known here.
package cookie

import (
	"fmt"
	"net/http"

	"github.com/ecgrid-contrib/ecgridsession/internal/record"
	"github.com/ecgrid-contrib/ecgridsession/internal/session"
)

// Carrier brings a session's record to the browser and back: as our own cookie,
// or through a gorilla store.
//
// What it has read was sealed by us. Whether the session is still open is for
// the limits and the ledger to say.
type Carrier interface {
	// Read opens what the request carries. The record is zero unless it was read.
	Read(r *http.Request) (record.Record, Reading)
	// All opens each session that the request carries, for a sign-out when there
	// are several and Read could not say which one counts.
	All(r *http.Request) []record.Record
	// Write sets the cookie that carries rec, fresh where the session has just
	// started. It returns session.ErrTooLarge if rec does not fit.
	Write(w http.ResponseWriter, r *http.Request, rec *record.Record, fresh bool) error
	// Delete sets the deletion cookie, and forgets what is stored elsewhere.
	Delete(w http.ResponseWriter, r *http.Request) error
}

// Reading is what a carrier made of a request. The order counts: what is known
// of a session begins with outdated.
type Reading uint8

const (
	Absent      Reading = iota // there is no cookie of our name
	Unreadable                 // there is one, and it is not ours
	Unreachable                // the store's backend could not be asked
	Outdated                   // read, by an older key
	Current                    // read, by the first key
)

// ErrStore means that the backend of a gorilla store does not answer. What knows
// whether the session is open could not be asked.
var ErrStore = fmt.Errorf("%w: the session store failed", session.ErrUnavailable)
