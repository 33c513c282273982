package ecgridsession

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/ecgrid-contrib/ecgridsession/internal/ecgrid"
	"github.com/ecgrid-contrib/ecgridsession/internal/record"
)

// Credential is what ECGrid accepts as proof of who calls: a bearer token or an
// API key. It never shows itself: every fmt verb, slog, JSON and text give the
// kind and nothing else, so one that slips into a log line is no incident. gob
// and the other binary encoders of the standard library refuse it. The zero value
// is no credential.
type Credential struct {
	// encoding/asn1 asks no method, and refuses a struct with such a field.
	_ struct{}

	// Token is sent as Authorization: Bearer (RFC 6750). At most 16 KiB of
	// visible ASCII.
	Token string
	// RefreshToken is kept only where login gave one; else the token itself is
	// what refreshes it.
	RefreshToken string
	// APIKey is sent as X-API-Key. Exactly one of Token and APIKey is set.
	APIKey string
	// ExpiresAt is the token's expiry. Zero: it has none of its own.
	ExpiresAt time.Time
	// UserID is ECGrid's number of the user. 0: not known; Start asks for it.
	UserID int64
}

// String names the kind of the credential, never its value.
func (c Credential) String() string {
	switch {
	case c.Token != "" && c.APIKey != "":
		return "credential(bearer and api-key, redacted)"
	case c.Token != "":
		return "credential(bearer, redacted)"
	case c.APIKey != "":
		return "credential(api-key, redacted)"
	case c.RefreshToken != "":
		return "credential(refresh token, redacted)"
	default:
		return "credential(none)"
	}
}

// GoString is String: %#v must not show what %v hides.
func (c Credential) GoString() string { return c.String() }

// Format writes String for every verb: without it %x or %q would print the
// fields.
func (c Credential) Format(f fmt.State, _ rune) { io.WriteString(f, c.String()) }

// LogValue implements [slog.LogValuer] with String.
func (c Credential) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalText implements [encoding.TextMarshaler] with String. It returns no
// error.
func (c Credential) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// MarshalJSON gives String as a JSON string. It returns no error.
func (c Credential) MarshalJSON() ([]byte, error) { return []byte(`"` + c.String() + `"`), nil }

// MarshalBinary always fails: encoding/gob would otherwise write the fields. An
// app that keeps a credential writes the fields that it needs, sealed.
func (c Credential) MarshalBinary() ([]byte, error) {
	return nil, errors.New("ecgridsession: a Credential is not encoded")
}

// isZero tells whether there is nothing to send. A refresh token alone counts
// as nothing: it is never sent with a call.
func (c Credential) isZero() bool { return c.Token == "" && c.APIKey == "" }

// auth is the credential as the client of the auth endpoints takes it.
func (c Credential) auth() ecgrid.Auth { return ecgrid.Auth{Bearer: c.Token, APIKey: c.APIKey} }

// validate returns why c cannot start a session, all faults at once.
func (c Credential) validate() error {
	switch {
	case c.isZero():
		return fmt.Errorf("ecgridsession: credential holds neither a token nor an API key")
	case c.Token != "" && c.APIKey != "":
		return fmt.Errorf("ecgridsession: credential holds both a token and an API key")
	case c.APIKey != "" && c.RefreshToken != "":
		return fmt.Errorf("ecgridsession: an API key has no refresh token")
	}
	for _, part := range []struct{ name, value string }{
		{"token", c.Token}, {"refresh token", c.RefreshToken}, {"API key", c.APIKey},
	} {
		if len(part.value) > maxCredential {
			return fmt.Errorf("%w: the %s is longer than %d bytes", ErrSessionTooLarge, part.name, maxCredential)
		}
		// Anything else would let a value break out of its header line.
		if part.value != "" && !ecgrid.ValidToken(part.value) {
			return fmt.Errorf("ecgridsession: the %s holds other characters than visible ASCII", part.name)
		}
	}
	if c.UserID < 0 {
		return fmt.Errorf("ecgridsession: the user id is negative")
	}
	return nil
}

// maxCredential bounds a token or key in bytes: the ledger and every outbound
// header line carry it whole.
const maxCredential = 16 << 10

// Session is what may be known of a session by anybody who may see its user:
// no field is a secret, so it is safe to log, to render and to marshal.
type Session struct {
	// Ref is a short reference for logs: a one-way function of the session id,
	// the same in every replica and generation.
	Ref string `json:"ref"`
	// UserID is ECGrid's number of the user.
	UserID int64 `json:"userId"`
	// Login is the login name, or "" where only a token was given to Start.
	Login string `json:"login"`
	// APIKey tells that the user signed in with an API key.
	APIKey bool `json:"apiKey"`
	// StartedAt is when the user signed in.
	StartedAt time.Time `json:"startedAt"`
	// TokenExpiresAt is the expiry of the present token; zero for an API key.
	// The middleware refreshes before it, so it is not the session's end.
	TokenExpiresAt time.Time `json:"tokenExpiresAt,omitzero"`
	// EndsAt is the absolute end: no activity moves it.
	EndsAt time.Time `json:"endsAt"`
	// IdleEndsAt is the end if nothing more comes from this browser. It is never
	// after EndsAt. The cookie is set again after a tenth of Config.IdleTimeout,
	// so a request before that does not move it.
	IdleEndsAt time.Time `json:"idleEndsAt"`
}

// credentialOf turns what is kept into what callers see. What is kept has no
// user, since the record has it once.
func credentialOf(kept record.Credential, userID int64) Credential {
	return Credential{
		Token:        kept.Token,
		RefreshToken: kept.RefreshToken,
		APIKey:       kept.APIKey,
		ExpiresAt:    record.Time(kept.ExpiresAt),
		UserID:       userID,
	}
}

// kept is the inverse of credentialOf.
func kept(c Credential) record.Credential {
	return record.Credential{
		Token: c.Token, RefreshToken: c.RefreshToken, APIKey: c.APIKey, ExpiresAt: record.Millis(c.ExpiresAt),
	}
}
