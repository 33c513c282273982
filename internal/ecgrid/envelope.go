package ecgrid

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"
)

// The envelope around every answer of ECGrid, read so that it has one meaning. The threat is an answer that different
// readers understand differently: a proxy, a cache or a later version of a decoder sees a success where this one sees a
// failure, and a user counts as signed out whose token lives. So what is ambiguous is no envelope at all, and proves
// nothing.

// envelope is a well-formed answer of ECGrid.
type envelope struct {
	// success is ECGrid's, as a JSON true or false and nothing that is like it.
	success bool
	// code is documented, or ""; always "" with success.
	code string
	// data is as it was sent, nil where there was none: what it must hold is each call's to say (answer.go).
	data json.RawMessage
}

// decodeEnvelope reads body as an envelope, or reports false. It accepts only what no two JSON readers can take for
// different things: encoding/json alone would let a later "Success" overrule "success", and a Decoder would leave
// trailing bytes unread. The status is not looked at here: callers do, and both must agree (read).
func decodeEnvelope(body []byte) (envelope, bool) {
	// encoding/json replaces invalid UTF-8 silently. Valid refuses trailing bytes and bounds the nesting. Over all of
	// it at once, so that the field by field reading below cannot meet anything but JSON.
	if !utf8.Valid(body) || !json.Valid(body) {
		return envelope{}, false
	}
	fields, ok := decodeObject(body, envelopeFields)
	if !ok {
		return envelope{}, false
	}
	var env envelope
	// The raw text and not a decoded bool: null, 1 and "true" are no answers.
	switch string(fields[fieldSuccess]) {
	case "true":
		env.success = true
	case "false":
	default:
		return envelope{}, false
	}
	// A code of another type than a string is as broken as a success of another type.
	code, codeOK := decodeText(fields[fieldErrorCode])
	// The message is for people and is never read: it has to be a string only because it is one in every proper
	// envelope.
	_, messageOK := decodeText(fields[fieldMessage])
	if !codeOK || !messageOK {
		return envelope{}, false
	}
	env.code, env.data = documented(code), fields[fieldData]
	// Success with the name of an error is two answers at once. A code that is not documented is "" by now and does not
	// count: what it would mean is not known.
	if env.success && env.code != "" {
		return envelope{}, false
	}
	return env, true
}

// decodeObject splits a JSON object into those of its fields that are known. It reports false for anything but an
// object, and where a known field comes twice or in another case. raw must be valid JSON. The decoder goes token by
// token, since Unmarshal into a map or struct takes the last of two fields without a word (RFC 8259, section 4, leaves
// it to the reader).
func decodeObject(raw []byte, known []string) (map[string]json.RawMessage, bool) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return nil, false
	}
	fields := make(map[string]json.RawMessage, len(known))
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, false
		}
		name, ok := token.(string)
		if !ok {
			return nil, false
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, false
		}
		i := slices.IndexFunc(known, func(k string) bool { return strings.EqualFold(k, name) })
		// ECGrid may add fields: what is not known is passed over.
		if i < 0 {
			continue
		}
		// Spelled otherwise it is refused, and not passed over as unknown: encoding/json and many others take "Success"
		// for "success".
		if _, twice := fields[name]; twice || known[i] != name {
			return nil, false
		}
		// Raw: each is decoded by whoever knows its type.
		fields[name] = value
	}
	return fields, true
}

// absent takes null for a field that is not there, as the vendor's answers use it.
func absent(raw json.RawMessage) bool { return raw == nil || string(raw) == "null" }

// decodeText reads a string; an absent field and null are "". A number or an object in its place is no text, and false.
func decodeText(raw json.RawMessage) (string, bool) {
	if absent(raw) {
		return "", true
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	return s, true
}
