package ecgridtest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// A Fault is something that goes wrong with calls that match it. Exactly one
// of these happens to such a call, after Delay:
//
//   - Hang, Reset or DropAfter is set: as the field says;
//   - Status or Body is set: that is the answer, and the call is not handled:
//     nobody is signed in or out, no token is issued or ended;
//   - otherwise the call is handled as if there were no fault.
//
// A client sees Reset and DropAfter as a closed connection (HTTP/2: a reset
// stream). The transport of net/http silently repeats a GET that this befalls
// on a connection it had used before; it never repeats a POST or PUT.
//
// Calls are entered into the log of [API.Calls] when they arrive, whatever the
// fault. The zero Fault matches every call and changes nothing.
type Fault struct {
	// Path is the path of the calls that match, such as "/v2/auth/logout", to
	// the letter. Empty: every call, to unknown paths too.
	Path string

	// Times is how many calls the fault is for; then it is used up. 0: for
	// good, until [API.ClearFaults].
	Times int

	// Status is the status of the answer, 200 to 999. 0 with a Body: 200.
	//
	// A Status without a Body sends the error envelope that ECGrid documents
	// for 400, 401, 403, 404, 429, 500 and 503, and an empty body with any
	// other. The code of a 401 is InvalidAPIKey if the call came with
	// X-API-Key, else InvalidSession; 429 says "Retry-After: 1". For a 401
	// without an envelope, as a gateway sends it, give a Body.
	Status int

	// Header is set on the answer, in place of fields of the same names, also
	// where the call is handled as usual. A name without values removes the
	// field. A Content-Length over the length of Body gives an answer that
	// breaks off.
	Header http.Header

	// Body is sent as it is, with the Content-Type application/json, or
	// text/html if it begins with "<", unless Header has another.
	Body string

	// Delay is how long the call waits, after its body was read. When the
	// caller goes away or the server closes meanwhile, nothing further happens:
	// the call is not handled.
	Delay time.Duration

	// Hang: no answer, ever. The call is not handled; it ends when the caller
	// goes away or the server closes.
	Hang bool

	// Reset: the connection is cut, and the call is not handled.
	Reset bool

	// DropAfter: the call is handled, its effects included, and then the
	// connection is cut so that the answer is lost: a refresh has ended the old
	// token, and nobody has heard of the new one.
	DropAfter bool
}

// A fault is a Fault with what is left of it.
type fault struct {
	Fault
	left int // of Times; unused where Times is 0
}

// Inject adds a fault. A call meets the first fault that matches it, in the
// order in which they were injected, of those that are not used up.
//
// It panics if f cannot mean anything: a Path without a slash at its beginning,
// a negative Times or Delay, a Status that is not 0 and not 200 to 999, or more
// than one of Hang, Reset, DropAfter, and an answer (Status or Body).
func (a *API) Inject(f Fault) {
	if why := f.unfit(); why != "" {
		panic("ecgridtest: Inject: " + why)
	}
	// A copy: the test may go on changing its own.
	header := make(http.Header, len(f.Header))
	for name, values := range f.Header.Clone() {
		header[http.CanonicalHeaderKey(name)] = values
	}
	f.Header = header

	a.mu.Lock()
	defer a.mu.Unlock()
	a.faults = append(a.faults, &fault{Fault: f, left: f.Times})
}

// ClearFaults removes every fault. Calls that a fault holds up already are
// not let go.
func (a *API) ClearFaults() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.faults = nil
}

// takeFault uses up one of the Times of the fault that a call meets. Without
// one it returns the zero Fault, which changes nothing. The lock is held.
func (a *API) takeFault(path string) Fault {
	for i, f := range a.faults {
		if f.Path != "" && f.Path != path {
			continue
		}
		if f.Times > 0 {
			f.left--
			if f.left == 0 {
				a.faults = slices.Delete(a.faults, i, i+1)
			}
		}
		return f.Fault
	}
	return Fault{}
}

func (f Fault) unfit() string {
	effects := 0
	for _, set := range []bool{f.Hang, f.Reset, f.DropAfter, f.Status != 0 || f.Body != ""} {
		if set {
			effects++
		}
	}
	switch {
	case f.Path != "" && !strings.HasPrefix(f.Path, "/"):
		return fmt.Sprintf("no call has the Path %q: it begins with a slash", f.Path)
	case f.Times < 0:
		return "Times must not be negative"
	case f.Delay < 0:
		return "Delay must not be negative"
	case f.Status != 0 && (f.Status < 200 || f.Status > 999):
		return fmt.Sprintf("Status %d is no status of an answer", f.Status)
	case effects > 1:
		return "only one of Hang, Reset, DropAfter, and an answer (Status or Body) can happen to a call"
	}
	return ""
}

// answer is what the fault sends in place of ECGrid's own answer, if anything.
func (f Fault) answer(kind string) (answer, bool) {
	switch {
	case f.Status == 0 && f.Body == "":
		return answer{}, false
	case f.Body == "":
		return standard(f.Status, kind), true
	}
	ans := answer{status: f.Status, body: []byte(f.Body)}
	if ans.status == 0 {
		ans.status = http.StatusOK
	}
	contentType := "application/json"
	if strings.HasPrefix(f.Body, "<") {
		contentType = "text/html; charset=utf-8"
	}
	ans.header = http.Header{"Content-Type": {contentType}}
	return ans, true
}
