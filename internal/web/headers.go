package web

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// NoStore keeps the answer out of every cache (ASVS 5.0, 14.3.2). It is called
// before anything is decided, so that an answer by Config.ErrorHandler or by
// the app has it, too.
func NoStore(w http.ResponseWriter) { w.Header().Set("Cache-Control", "no-store") }

// RetryLater asks clients to come back when the ledger may have. Nothing says
// how long a ledger is away: 5 seconds are short for a person, and long for
// those who come all at once.
func RetryLater(w http.ResponseWriter) { SetRetryAfter(w, 5*time.Second) }

// SetRetryAfter writes the header in whole seconds, rounded up (RFC 9110,
// 10.2.3).
func SetRetryAfter(w http.ResponseWriter, d time.Duration) {
	seconds := int((d + time.Second - 1) / time.Second)
	w.Header().Set("Retry-After", strconv.Itoa(max(seconds, 1)))
}

// WriteJSON answers with body as JSON.
func WriteJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	// ASVS 5.0, 3.4.4: a login name in the JSON never passes for HTML.
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body) // the browser may have gone: there is nobody to tell
}

// LeaveBody is for an answer that has no use for the request's body. HTTP/1
// would read it before the answer, and wait for one that stalls. So the
// connection ends with the answer: what is left of the body must not be taken
// for the next request. HTTP/2 has no such wait, and others use the connection.
func LeaveBody(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 1 && r.ContentLength != 0 {
		w.Header().Set("Connection", "close")
	}
}
