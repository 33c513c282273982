package ecgrid

import (
	"fmt"
	"io"
	"log/slog"
	"time"
)

// Grant is what a login or a refresh gave. It prints redacted, like [Auth]. The zero value grants nothing.
type Grant struct {
	Token        string    // a ValidToken
	RefreshToken string    // what the next refresh sends; "" where ECGrid gave none
	ExpiresAt    time.Time // in UTC, never zero
	UserID       int64     // over 0
}

// String gives "[redacted]".
func (Grant) String() string { return redacted }

// GoString gives "[redacted]".
func (Grant) GoString() string { return redacted }

// Format writes "[redacted]", whatever the verb.
func (Grant) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }

// LogValue gives "[redacted]".
func (Grant) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText gives "[redacted]".
func (Grant) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON gives "[redacted]" as a JSON string.
func (Grant) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// Identity is whom a credential belongs to. There is no secret in it.
type Identity struct {
	UserID    int64     // over 0
	Login     string    // at most 512 bytes, no control character; "" where ECGrid gave none
	ExpiresAt time.Time // in UTC; zero where ECGrid gave none, as for API keys, or one over ten years ahead
}
