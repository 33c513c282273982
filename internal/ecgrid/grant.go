package ecgrid

import (
	"fmt"
	"io"
	"log/slog"
	"time"
)

// Grant is what a login or a refresh gave. It prints redacted, like [Auth]. The zero value grants nothing.
//
// It is as good as a password for as long as it lives, so it is handed on by value to one owner and never stored as it
// is: the root package makes a Credential of it.
type Grant struct {
	// Token is a ValidToken.
	Token string
	// RefreshToken is what the next refresh sends; "" if ECGrid gave none, and then the token itself is sent.
	RefreshToken string
	// ExpiresAt is in UTC and by our clock: the token's life was measured by ECGrid's. It is zero if ECGrid did not say,
	// even when it was asked.
	ExpiresAt time.Time
	// UserID is over 0 after a login, and 0 after a refresh whose answer names no user.
	UserID int64
	// Login is the user's name, if ECGrid was asked for what its answer to a login left out.
	Login string
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

// Identity is whom a credential belongs to. There is no secret in it. It is what session answers: for an API key there
// is no other way to learn whose it is.
type Identity struct {
	UserID    int64     // over 0
	Login     string    // at most 512 bytes, no control character; "" where ECGrid gave none
	ExpiresAt time.Time // as in Grant; zero where ECGrid gave none, as for API keys, or one over ten years ahead
}
