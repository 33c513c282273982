package ecgridtest

import (
	"net/http"
	"strings"
)

// Who makes a call: the credential in its headers, looked up. The answer to one
// that is not good is the 401 with an envelope, by which a client tells
// ECGrid's refusal from a gateway's.

// The kinds of credential that a call is logged with.
const (
	kindBearer = "bearer"
	kindAPIKey = "apikey"
	kindNone   = "none"
)

const (
	headerAuthorization = "Authorization"
	headerAPIKey        = "X-API-Key"
)

// values are those of a header field in any spelling. Over a network net/http has respelt the name; a caller in the same
// process may hand over "X-API-Key" as it is.
func values(h http.Header, name string) []string {
	var found []string
	for spelling, lines := range h {
		if strings.EqualFold(spelling, name) {
			found = append(found, lines...)
		}
	}
	return found
}

// A caller is who a call's credential belongs to. Of a call to an endpoint that
// is open it is zero.
type caller struct {
	user    *user
	session *session // nil with an API key
}

// kindOf tells which credential header came, whatever it holds: a malformed
// bearer token is still one that the caller let out.
func kindOf(r *http.Request) string {
	switch {
	case len(values(r.Header, headerAuthorization)) > 0:
		return kindBearer
	case len(values(r.Header, headerAPIKey)) > 0:
		return kindAPIKey
	}
	return kindNone
}

// ambiguous is what ECGrid does not document, so the fake refuses it: a test of
// a client that sends two credentials should fail.
func ambiguous(r *http.Request) bool {
	return len(values(r.Header, headerAuthorization))+len(values(r.Header, headerAPIKey)) > 1
}

// caller looks up the credential of a call. The lock is held. The user of the
// API key is nil where it is unknown, and then ok is false.
func (a *API) caller(r *http.Request) (caller, bool) {
	if kindOf(r) == kindAPIKey {
		u, ok := a.byKey[values(r.Header, headerAPIKey)[0]]
		return caller{user: u}, ok
	}
	// One space, as RFC 6750, 2.1 has it: a second one is a part of the token,
	// which is then unknown.
	authorization := append(values(r.Header, headerAuthorization), "")[0]
	scheme, token, _ := strings.Cut(authorization, " ")
	if !strings.EqualFold(scheme, "Bearer") { // RFC 9110, 11.1: the scheme has no case
		return caller{}, false
	}
	s, ok := a.live(token)
	if !ok {
		return caller{}, false
	}
	return caller{user: s.user, session: s}, true
}

// unauthorized does not say which of the reasons it is: whoever guesses tokens
// learns nothing from it.
func unauthorized(kind string) answer {
	if kind == kindAPIKey {
		return failure(http.StatusUnauthorized, codeInvalidAPIKey, "The API key is missing, unknown or revoked.")
	}
	return failure(http.StatusUnauthorized, codeInvalidSession, "The session is missing, expired or ended.").denying()
}
