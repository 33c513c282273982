package ecgridtest

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
)

// How the fake writes what ECGrid sends: one JSON object with four fields, all
// of them always there, null where there is nothing to say.

// The error codes that ECGrid documents. A status without one (405, 503) has
// null in its place.
const (
	codeInvalidParameter  = "InvalidParameter"
	codeInvalidSession    = "InvalidSession"
	codeInvalidAPIKey     = "InvalidAPIKey"
	codeAccessDenied      = "AccessDenied"
	codeObjectNotFound    = "ObjectNotFound"
	codeRateLimitExceeded = "RateLimitExceeded"
	codeInternalError     = "InternalError"
)

// timeFormat is ISO 8601 in UTC with milliseconds, the precision that a
// token's expiry is kept in.
const timeFormat = "2006-01-02T15:04:05.000Z07:00"

// envelope has pointers for null: ECGrid has that for a code and a message that
// are not there.
type envelope struct {
	Success   bool    `json:"success"`
	Data      any     `json:"data"`
	ErrorCode *string `json:"errorCode"`
	Message   *string `json:"message"`
}

// An answer is complete before its first byte is sent, so that the log can
// have its status first.
type answer struct {
	status int
	header http.Header
	body   []byte

	// message is what a failure says; "" for any other answer.
	message string
	// denies: a 401 is about the bearer token that came with the call.
	denies bool
}

func success(data any) answer {
	return enveloped(http.StatusOK, envelope{Success: true, Data: data})
}

// failure has data null, as every error of ECGrid's.
func failure(status int, code, message string) answer {
	e := envelope{Message: &message}
	if code != "" {
		e.ErrorCode = &code
	}
	ans := enveloped(status, e)
	ans.message = message
	return ans
}

// denying marks a 401 as the verdict on a token.
func (a answer) denying() answer {
	a.denies = true
	return a
}

func invalidParameter(message string) answer {
	return failure(http.StatusBadRequest, codeInvalidParameter, message)
}

// enveloped cannot fail for anything that this package puts into it: the panic
// is for whoever adds to it.
func enveloped(status int, e envelope) answer {
	body, err := json.Marshal(e)
	if err != nil {
		panic("ecgridtest: an envelope that is not JSON: " + err.Error())
	}
	return answer{
		status: status,
		header: http.Header{"Content-Type": {"application/json; charset=utf-8"}},
		body:   body,
	}
}

// standard is the answer that ECGrid documents for status: what an injected
// Status without a Body sends. Statuses that it does not document have no body.
func standard(status int, kind string) answer {
	switch status {
	case http.StatusBadRequest:
		return invalidParameter("Invalid parameter.")
	case http.StatusUnauthorized:
		return unauthorized(kind)
	case http.StatusForbidden:
		return failure(status, codeAccessDenied, "Access denied.")
	case http.StatusNotFound:
		return failure(status, codeObjectNotFound, "Object not found.")
	case http.StatusTooManyRequests:
		return failure(status, codeRateLimitExceeded, "Rate limit exceeded.").
			with(http.Header{"Retry-After": {"1"}})
	case http.StatusInternalServerError:
		return failure(status, codeInternalError, "Internal error.")
	case http.StatusServiceUnavailable:
		return failure(status, "", "Service unavailable.")
	}
	return answer{status: status}
}

// with returns the answer with header in place of its own fields of the same
// names. The field names of header are canonical.
func (a answer) with(header http.Header) answer {
	merged := make(http.Header, len(a.header)+len(header))
	for _, h := range []http.Header{a.header, header} {
		for name, values := range h {
			merged[name] = slices.Clone(values)
		}
	}
	a.header = merged
	return a
}

// write fills the map directly: a name without values has to get there as it
// is, which removes the field.
func (a answer) write(w http.ResponseWriter) {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // a caller who has left gets no answer, and no one else wants the error
}

var errBodyTooLarge = errors.New("body too large")

// readBody stops at maxBody. What cannot be read is an answer of 400 and no
// reason to cut the connection: that would look like a fault that nobody
// injected.
func readBody(r *http.Request) ([]byte, error) {
	if r.Body == nil {
		return nil, nil // only where ServeHTTP is called without a server
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err == nil && len(body) > maxBody {
		return nil, errBodyTooLarge
	}
	return body, err
}

// drain reads what readBody left of a body that was too large. Until a body has
// been read to its end, net/http does not notice that the caller has left.
func drain(r *http.Request) {
	if r.Body != nil {
		_, _ = io.Copy(io.Discard, r.Body) // it ends in an error if the caller leaves
	}
}

// decode reads body, one JSON object and nothing after it, into target.
// Unknown fields are fine.
func decode(body []byte, target any) bool {
	// Unmarshal takes null for any target, and leaves it as it was.
	return strings.HasPrefix(strings.TrimLeft(string(body), " \t\r\n"), "{") &&
		json.Unmarshal(body, target) == nil
}
