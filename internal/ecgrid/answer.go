package ecgrid

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// What the data of an envelope must look like before anything is made of it. Every field is decoded on its own and
// judged by its type, its size and its range, since ECGrid's answers end up in headers (the token), in cookies (login
// and user id) and in comparisons with the clock. An answer that fails grants nothing, and what was wrong with it is
// never quoted: the callers give it fixed words (failure.go).

// maxLoginBytes bounds a user's name, which ends up in the cookie; an e-mail address has at most 320.
const maxLoginBytes = 512

// decodeGrant reads the data of login and refresh. The refresh token, the expiry and the user may be missing, because each is
// missing on one of the vendor's pages: the caller asks for the last two elsewhere. What is there has to be sane.
//
// Of a grant that is not usable it returns the token, if there is one, and nothing else: ECGrid has issued it, so it is
// for the caller to end.
func decodeGrant(data json.RawMessage, at clock) (g Grant, usable bool) {
	fields, ok := decodeObject(data, dataFields)
	if !ok {
		return issuedToken(data), false
	}
	// All are decoded before any is judged: the caller does not learn which one was wrong.
	token, tokenOK := tokenIn(fields)
	refresh, refreshOK := decodeText(fields[fieldRefreshToken])
	expires, expiresOK := time.Time{}, true
	if !absent(fields[fieldExpiresAt]) {
		expires, expiresOK = decodeTime(fields[fieldExpiresAt])
		if expiresOK {
			expires, expiresOK = at.expiry(expires)
		}
	}
	user, userOK := int64(0), true
	if !absent(fields[fieldUserID]) {
		user, userOK = decodeUserID(fields[fieldUserID])
	}
	if !tokenOK || !refreshOK || !expiresOK || !userOK {
		return issuedToken(data), false
	}
	// It is sent in a header of each outbound call: a line break in it would be a header of the sender's choice
	// (CWE-113).
	if !ValidToken(token) || refresh != "" && !ValidToken(refresh) {
		return issuedToken(data), false
	}
	return Grant{Token: token, RefreshToken: refresh, ExpiresAt: expires, UserID: user}, true
}

// tokenIn is the token of a grant. Under its first name it counts alone: the other one may then mean something else.
func tokenIn(fields map[string]json.RawMessage) (string, bool) {
	if !absent(fields[fieldToken]) {
		return decodeText(fields[fieldToken])
	}
	return decodeText(fields[fieldSessionKey])
}

// issuedToken finds the token in data that is no usable grant, so that it can be revoked. It may read more leniently than
// decodeGrant does: what it finds is sent to ECGrid alone, and only to end it.
func issuedToken(data json.RawMessage) Grant {
	var fields map[string]json.RawMessage
	if json.Unmarshal(data, &fields) != nil {
		return Grant{}
	}
	token, _ := tokenIn(fields)
	if !ValidToken(token) {
		return Grant{} // no header can carry its logout
	}
	return Grant{Token: token}
}

// holdsOversizedToken tells of data that decodeGrant has refused whether it is for the length of a token. It asks
// again, and not decodeGrant on its way, so that the common answer pays nothing for it. The user is then told that the
// token is too large, and not that ECGrid is out of order.
func holdsOversizedToken(data json.RawMessage) bool {
	fields, ok := decodeObject(data, dataFields)
	if !ok {
		return false
	}
	for _, field := range []string{fieldToken, fieldSessionKey, fieldRefreshToken} {
		if token, ok := decodeText(fields[field]); ok && len(token) > maxTokenBytes {
			return true
		}
	}
	return false
}

// decodeIdentity reads the data of session. The expiry may be missing here: API keys have none. A login of this length
// or with control characters would do harm in a cookie, a page or a log.
func decodeIdentity(data json.RawMessage, at clock) (Identity, bool) {
	fields, ok := decodeObject(data, dataFields)
	if !ok {
		return Identity{}, false
	}
	user, userOK := decodeUserID(fields[fieldUserID])
	login, loginOK := decodeText(fields[fieldLogin])
	// A name is cut nowhere: half of one could be another user's.
	if !userOK || !loginOK || len(login) > maxLoginBytes || strings.ContainsFunc(login, unicode.IsControl) {
		return Identity{}, false
	}
	id := Identity{UserID: user, Login: login}
	if absent(fields[fieldExpiresAt]) {
		return id, true
	}
	expires, ok := decodeTime(fields[fieldExpiresAt])
	if !ok {
		return Identity{}, false
	}
	// The first and the last moment of a calendar are how a database says "never". Not an error as for a grant: the
	// credential is good, and what is said of its end is only not used.
	if expires.IsZero() || expires.After(at.here.AddDate(maxTokenYears, 0, 0)) {
		return id, true
	}
	// A session that ECGrid has just found alive cannot have expired.
	if expires, ok = at.expiry(expires); !ok {
		return Identity{}, false
	}
	id.ExpiresAt = expires
	return id, true
}

// decodeUserID reads a JSON integer from 1 to the largest int64. 1.0, 1e3 and "1" are none: a float would round a large
// id to another user's. It decides whose session this is, so nothing is rounded, trimmed or guessed.
func decodeUserID(raw json.RawMessage) (int64, bool) {
	id, err := strconv.ParseInt(string(raw), 10, 64)
	return id, err == nil && id > 0
}

// decodeTime gives UTC, whatever the zone that was sent.
func decodeTime(raw json.RawMessage) (time.Time, bool) {
	s, ok := decodeText(raw)
	if !ok {
		return time.Time{}, false
	}
	// The first that fits; no text fits both.
	for _, layout := range expiryLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}
