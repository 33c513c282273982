package ecgrid

import (
	"net/http"
	"slices"
)

// What this file states was gathered from the vendor's documentation and never checked against the live service. It is
// kept together so that a correction is one edit.

// Method and paths of the auth endpoints, relative to the base URL.
const (
	// No slash in front: they are joined to a base that may have a path.
	callMethod = http.MethodPost

	pathLogin     = "v2/auth/login"
	pathRefresh   = "v2/auth/refresh"
	pathLogout    = "v2/auth/logout"
	pathSession   = "v2/auth/session"
	pathResetUser = "v2/users/reset" // followed by the user's id
)

// HeaderBearer and HeaderAPIKey are the headers that carry a credential; one call carries one of them. BearerPrefix
// stands before the token (RFC 6750, section 2.1).
const (
	HeaderBearer = "Authorization"
	// One of the vendor's pages wants it spelled exactly so. net/http would write X-Api-Key, so it is put into the map
	// of headers directly, never by Set.
	HeaderAPIKey = "X-API-Key"
	BearerPrefix = "Bearer "
)

// DefaultLoginField is the request field that names the user at login. Other pages of the vendor's say "email",
// "username" or "apiKey". ecgridsession.Config.LoginField changes it for an app without a new version of this library.
const DefaultLoginField = "login"

// Fields of the request bodies.
const (
	// The login's own field is configured (Client.New).
	sendPassword     = "password"
	sendToken        = "token"
	sendRefreshToken = "refreshToken"
)

// Fields of the envelope, and of its data at login, refresh and session. No list is complete: other fields are let be.
const (
	// A name counts in this spelling alone; another case of one of these is a broken answer (decodeObject), since
	// readers disagree on it.
	fieldSuccess   = "success"
	fieldData      = "data"
	fieldErrorCode = "errorCode"
	fieldMessage   = "message"

	fieldToken        = "token"
	fieldSessionKey   = "sessionKey" // what the vendor's code samples call the token
	fieldRefreshToken = "refreshToken"
	fieldExpiresAt    = "expiresAt"
	fieldUserID       = "userId"
	fieldLogin        = "login"
)

var (
	envelopeFields = []string{fieldSuccess, fieldData, fieldErrorCode, fieldMessage}
	dataFields     = []string{fieldToken, fieldSessionKey, fieldRefreshToken, fieldExpiresAt, fieldUserID, fieldLogin}
)

// Fields of problem details (RFC 9457), which the vendor's code samples show in the place of an envelope with an error.
const (
	fieldTitle   = "title"
	fieldDetail  = "detail"
	fieldTraceID = "traceId"

	problemType = "application/problem+json"
)

var problemFields = []string{fieldTitle, fieldDetail, fieldTraceID, fieldSuccess}

// The documented error codes. No other value ever reaches [Error.Code].
const (
	CodeInvalidParameter  = "InvalidParameter"
	CodeDuplicateObject   = "DuplicateObject"
	CodeInvalidSession    = "InvalidSession"
	CodeInvalidAPIKey     = "InvalidAPIKey"
	CodeAccessDenied      = "AccessDenied"
	CodeObjectNotFound    = "ObjectNotFound"
	CodeRateLimitExceeded = "RateLimitExceeded"
	CodeInternalError     = "InternalError"
)

// documentedCodes are all that is repeated; another code is not wrong for that: what is printed of ECGrid's words must
// come from here.
var documentedCodes = []string{
	CodeInvalidParameter, CodeDuplicateObject, CodeInvalidSession, CodeInvalidAPIKey,
	CodeAccessDenied, CodeObjectNotFound, CodeRateLimitExceeded, CodeInternalError,
}

// documented gives code back as a constant of ours if it is a documented one, and "" for everything else. Its result is
// our own string, so that no caller can hold on to, or log, a byte of the answer.
func documented(code string) string {
	if i := slices.Index(documentedCodes, code); i >= 0 {
		return documentedCodes[i]
	}
	return ""
}

// deniesCredential tells whether code, at a 401, is ECGrid's verdict on the credential that the call carried.
// AccessDenied is none of them: the user may not do this, and is signed in.
func deniesCredential(code string) bool {
	return code == CodeInvalidSession || code == CodeInvalidAPIKey
}

// statusSuccess is the one status that can mean success: the vendor names no other, a 204 has no room for the envelope
// that would confirm it, and a 202 promises only to try. Taking any 2xx would make a proxy's 204 a confirmed sign-out.
const statusSuccess = http.StatusOK

// expiryLayouts are the spellings of a time. The vendor says "ISO 8601 in UTC", which may leave out the zone that RFC
// 3339 asks for; without one, time.Parse takes the time as UTC. Fractions of a second are read in both. A time that
// fits neither makes the answer unusable, never a session without an end.
var expiryLayouts = []string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05"}
