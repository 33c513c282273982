package ecgridtest

import (
	"net/http"
	"strings"
)

// The kinds of credential that a call is logged with.
const (
	kindBearer = "bearer"
	kindAPIKey = "apikey"
	kindNone   = "none"
)

const (
	headerAuthorization = "Authorization"
	headerAPIKey        = "X-Api-Key" // canonical form of X-API-Key
)

// A caller is who a call's credential belongs to.
type caller struct {
	user    *user
	session *session // nil with an API key
}

// kindOf tells which credential header came, whatever it holds: a malformed
// bearer token is still one that the caller let out.
func kindOf(r *http.Request) string {
	switch {
	case len(r.Header[headerAuthorization]) > 0:
		return kindBearer
	case len(r.Header[headerAPIKey]) > 0:
		return kindAPIKey
	}
	return kindNone
}

func ambiguous(r *http.Request) bool {
	return len(r.Header[headerAuthorization])+len(r.Header[headerAPIKey]) > 1
}

// caller looks up the credential of a call. The lock is held.
func (a *API) caller(r *http.Request) (caller, bool) {
	if kindOf(r) == kindAPIKey {
		u, ok := a.byKey[r.Header.Get(headerAPIKey)]
		return caller{user: u}, ok
	}
	scheme, token, _ := strings.Cut(r.Header.Get(headerAuthorization), " ")
	if !strings.EqualFold(scheme, "Bearer") { // RFC 9110, 11.1: the scheme has no case
		return caller{}, false
	}
	s, ok := a.live(token)
	if !ok {
		return caller{}, false
	}
	return caller{user: s.user, session: s}, true
}

func unauthorized(kind string) answer {
	if kind == kindAPIKey {
		return failure(http.StatusUnauthorized, codeInvalidAPIKey, "The API key is missing, unknown or revoked.")
	}
	return failure(http.StatusUnauthorized, codeInvalidSession, "The session is missing, expired or ended.")
}
