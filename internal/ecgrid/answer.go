package ecgrid

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const (
	// clockTolerance is how far the clocks here and at ECGrid may disagree before a new token's expiry is taken for a mistake.
	clockTolerance = 10 * time.Minute
	// maxTokenYears is the longest life that is believed; it also keeps times within what a record and a cookie can hold.
	maxTokenYears = 10
	// maxLoginBytes bounds a user's name, which ends up in the cookie; an e-mail address has at most 320.
	maxLoginBytes = 512
)

// decodeGrant reads the data of login and refresh.
func decodeGrant(data json.RawMessage, now time.Time) (Grant, bool) {
	fields, ok := decodeObject(data, dataFields)
	if !ok {
		return Grant{}, false
	}
	token, tokenOK := decodeText(fields[fieldToken])
	refresh, refreshOK := decodeText(fields[fieldRefreshToken])
	expires, expiresOK := decodeTime(fields[fieldExpiresAt])
	user, userOK := decodeUserID(fields[fieldUserID])
	if !tokenOK || !refreshOK || !expiresOK || !userOK {
		return Grant{}, false
	}
	if !ValidToken(token) || refresh != "" && !ValidToken(refresh) {
		return Grant{}, false
	}
	if expires.Before(now.Add(-clockTolerance)) || expires.After(now.AddDate(maxTokenYears, 0, 0)) {
		return Grant{}, false
	}
	return Grant{Token: token, RefreshToken: refresh, ExpiresAt: expires, UserID: user}, true
}

// holdsOversizedToken tells of data that decodeGrant has refused whether it is for the length of a token.
func holdsOversizedToken(data json.RawMessage) bool {
	fields, ok := decodeObject(data, dataFields)
	if !ok {
		return false
	}
	for _, field := range []string{fieldToken, fieldRefreshToken} {
		if token, ok := decodeText(fields[field]); ok && len(token) > maxTokenBytes {
			return true
		}
	}
	return false
}

// decodeIdentity reads the data of session.
func decodeIdentity(data json.RawMessage, now time.Time) (Identity, bool) {
	fields, ok := decodeObject(data, dataFields)
	if !ok {
		return Identity{}, false
	}
	user, userOK := decodeUserID(fields[fieldUserID])
	login, loginOK := decodeText(fields[fieldLogin])
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
	// The first and the last moment of a calendar are how a database says "never".
	if expires.IsZero() || expires.After(now.AddDate(maxTokenYears, 0, 0)) {
		return id, true
	}
	// A session that ECGrid has just found alive cannot have expired.
	if expires.Before(now.Add(-clockTolerance)) {
		return Identity{}, false
	}
	id.ExpiresAt = expires
	return id, true
}

// decodeUserID reads a JSON integer from 1 to the largest int64. 1.0, 1e3 and "1" are none: a float would round a large id
// to another user's.
func decodeUserID(raw json.RawMessage) (int64, bool) {
	id, err := strconv.ParseInt(string(raw), 10, 64)
	return id, err == nil && id > 0
}

func decodeTime(raw json.RawMessage) (time.Time, bool) {
	s, ok := decodeText(raw)
	if !ok {
		return time.Time{}, false
	}
	for _, layout := range expiryLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}
