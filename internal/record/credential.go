package record

import "strings"

// Credential is what ECGrid gave, in the form that is kept. The zero value is no credential. It prints, logs and marshals
// as a constant; a struct that holds one in an unexported field must see to that itself, because package fmt does not call
// methods there.
//
// It is the one part of a session that may stand in either of two places: in the cookie, as the end of a [Record], or
// by itself in the ledger's entry. So it is encoded in one way for both.
type Credential struct {
	// Token is a bearer token.
	Token string
	// RefreshToken is empty if login gave none.
	RefreshToken string
	// APIKey is a key, and then both tokens are empty; that is for the caller to see to.
	APIKey string
	// IssuedAt is when this was received, in ms since the Unix epoch by the clock of the host that received it. With
	// ExpiresAt it gives the token's life.
	IssuedAt int64
	// ExpiresAt is in ms since the Unix epoch; 0: no expiry of its own.
	ExpiresAt int64
}

// The bits of a credential's shape say which fields follow and how the tokens are written.
const (
	// They are part of the format, in cookies that are about and ledgers that outlive a deploy: a bit is never used for
	// something else, and a new one needs a new version of the record. Bits 6 and 7 are a record's flags, which are
	// or-ed with these (record.go).
	tokenPacked = 1 << iota
	hasRefresh
	refreshPacked
	hasAPIKey
	hasExpiry

	shapeBits = 1<<iota - 1
)

// shape gives the bits for c. The shape follows from c alone and is not chosen, which keeps the encoding canonical:
// there is one for each credential.
func (c *Credential) shape() byte {
	var s byte
	if packable(c.Token) {
		s |= tokenPacked
	}
	if c.RefreshToken != "" {
		s |= hasRefresh
		if packable(c.RefreshToken) {
			s |= refreshPacked
		}
	}
	if c.APIKey != "" {
		s |= hasAPIKey
	}
	if c.ExpiresAt != 0 {
		s |= hasExpiry
	}
	return s
}

// Append appends the encoding of c to dst: a byte of shape, then
//
//	IssuedAt       varint
//	ExpiresAt      varint, less IssuedAt; only with hasExpiry
//	Token          packed with tokenPacked, else uvarint of the length, bytes
//	RefreshToken   likewise; only with hasRefresh
//	APIKey         uvarint of the length, bytes; only with hasAPIKey
func (c *Credential) Append(dst []byte) []byte {
	// One allocation of the right size; a slice of the caller's grows by append as usual.
	if dst == nil {
		dst = make([]byte, 0, c.room())
	}
	s := c.shape()
	return c.appendBody(append(dst, s), s, 0)
}

// room is at least as much as Append needs for c, unless a length takes more than three bytes; then append sees to it.
// Packing never makes a token longer by more than the lengths of its parts.
func (c *Credential) room() int {
	return 32 + len(c.Token) + len(c.RefreshToken) + len(c.APIKey) + 2*3*maxParts
}

// appendBody appends what follows the shape, with IssuedAt relative to base. In a cookie base is the time of its issue,
// from which the token's is never far, so that a time takes few bytes; a ledger's entry has no such time, and base is 0
// there.
func (c *Credential) appendBody(dst []byte, s byte, base int64) []byte {
	dst = appendVarint(dst, c.IssuedAt-base)
	if s&hasExpiry != 0 {
		// It wraps around where the two are that far apart, and back again in credential.
		dst = appendVarint(dst, c.ExpiresAt-c.IssuedAt)
	}
	dst = appendToken(dst, c.Token, s&tokenPacked != 0)
	if s&hasRefresh != 0 {
		dst = appendToken(dst, c.RefreshToken, s&refreshPacked != 0)
	}
	if s&hasAPIKey != 0 {
		dst = appendBytes(dst, c.APIKey)
	}
	return dst
}

// SameAs reports whether c and other authenticate calls alike: the same token or
// key, whatever is known of its expiry.
func (c Credential) SameAs(other Credential) bool {
	return c.Token == other.Token && c.APIKey == other.APIKey
}

// ParseCredential sets c to the credential at the beginning of b and returns what follows it. The error is [ErrMalformed],
// and c is zero then, for anything that Append would not have written. c shares no memory with b.
func ParseCredential(b []byte, c *Credential) (rest []byte, err error) {
	// Zero first, so that no error leaves half a credential behind.
	*c = Credential{}
	d := reader{rest: b}
	shape := d.byte()
	// Its shape is a byte of its own here; a record has it in its flags.
	parsed := d.credential(shape, 0)
	if d.bad {
		return nil, ErrMalformed
	}
	*c = parsed
	return d.rest, nil
}

// credential reads what appendBody wrote. Its strings are parts of a single one. One string means one allocation, on a
// way that every request with a session takes. They are kept and dropped together anyway.
func (d *reader) credential(shape byte, base int64) Credential {
	// A bit that is not in use, or one that says how a refresh token is written where there is none, would be a second
	// spelling.
	d.fail(shape&^shapeBits != 0 || shape&refreshPacked != 0 && shape&hasRefresh == 0)
	var c Credential
	c.IssuedAt = base + d.varint()
	if shape&hasExpiry != 0 {
		c.ExpiresAt = c.IssuedAt + d.varint()
		// Append leaves the field out then.
		d.fail(c.ExpiresAt == 0)
	}
	var token, refresh, apiKey text
	// Always there, be it empty: the shape has no bit for its absence.
	token = d.token(shape&tokenPacked != 0)
	if shape&hasRefresh != 0 {
		refresh = d.token(shape&refreshPacked != 0)
		// Likewise: what is empty is not written.
		d.fail(refresh.len() == 0)
	}
	if shape&hasAPIKey != 0 {
		apiKey = d.plain()
		d.fail(apiKey.len() == 0)
	}
	if d.bad {
		// Before anything is built from lengths that were not checked to the end.
		return Credential{}
	}
	var all strings.Builder
	all.Grow(token.len() + refresh.len() + apiKey.len())
	token.writeTo(&all)
	refresh.writeTo(&all)
	apiKey.writeTo(&all)
	s := all.String()
	// Cut by the lengths that each was measured to have.
	c.Token, s = s[:token.len()], s[token.len():]
	c.RefreshToken, c.APIKey = s[:refresh.len()], s[refresh.len():]
	return c
}
