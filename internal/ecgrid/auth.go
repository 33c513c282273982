package ecgrid

import (
	"fmt"
	"io"
	"log/slog"
)

// maxTokenBytes bounds a token or key: well over any JWT, well under what servers take in one header. It is enforced on
// what ECGrid gives as well as on what an app brings, so that nothing that is in a session can fail to be sent.
const maxTokenBytes = 16 << 10

// ValidToken reports whether s, as a bearer token or an API key, fits a header unchanged: 1 to 16,384 bytes of visible
// ASCII (0x21 to 0x7E). The b64token of RFC 6750 is a subset. More is not asked, least of all that it be a JWT: what a
// token looks like is ECGrid's affair.
func ValidToken(s string) bool {
	if s == "" || len(s) > maxTokenBytes {
		return false
	}
	for i := range len(s) {
		if s[i] < 0x21 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// redacted is what stands for a secret wherever it would be printed. One word for all of them: it does not tell a token
// from a key, nor whether there is one.
const redacted = "[redacted]"

// Auth is how one call proves who it is for: exactly one of its fields is set, and is a [ValidToken]. The zero value
// proves nothing, and a call with it fails unsent. It prints redacted in slog, JSON and text and with every verb that fmt
// lets a value decide: all but %p and %w, which vet rejects for it. A struct that holds it in an unexported field has to
// redact itself: fmt does not ask such a field.
type Auth struct {
	// Bearer is a token from login or refresh.
	Bearer string
	// APIKey is a long-lived key.
	APIKey string
}

// Header is the header field that carries the credential; without one, its name is "". It is what the root package's
// Transport sets on the app's own calls, too, so that there is one place that says how a credential is sent. The name is
// for the map of headers: [http.Header.Set] would respell it.
func (a Auth) Header() (name, value string) {
	switch {
	case a.Bearer != "":
		return HeaderBearer, BearerPrefix + a.Bearer
	case a.APIKey != "":
		return HeaderAPIKey, a.APIKey
	default:
		return "", ""
	}
}

// usable keeps a call from going out with both credentials, with none, or with one that would break its header.
func (a Auth) usable() bool {
	if a.Bearer != "" {
		return a.APIKey == "" && ValidToken(a.Bearer)
	}
	return ValidToken(a.APIKey)
}

// String gives "[redacted]".
func (Auth) String() string { return redacted }

// GoString gives "[redacted]".
func (Auth) GoString() string { return redacted }

// Format writes "[redacted]", whatever the verb.
func (Auth) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }

// LogValue gives "[redacted]".
func (Auth) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText gives "[redacted]".
func (Auth) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON gives "[redacted]" as a JSON string.
func (Auth) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
