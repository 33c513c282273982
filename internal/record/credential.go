package record

import "strings"

// Credential is what ECGrid gave, in the form that is kept. The zero value is no credential. It prints, logs and marshals
// as a constant; a struct that holds one in an unexported field must see to that itself, because package fmt does not call
// methods there.
type Credential struct {
	Token        string // bearer token
	RefreshToken string // empty if login gave none
	APIKey       string // API key
	IssuedAt     int64  // when this was received, in ms since the Unix epoch by this host's clock
	ExpiresAt    int64  // in ms since the Unix epoch; 0: no expiry of its own
}

// The bits of a credential's shape say which fields follow and how the tokens are written.
const (
	tokenPacked = 1 << iota
	hasRefresh
	refreshPacked
	hasAPIKey
	hasExpiry

	shapeBits = 1<<iota - 1
)

// shape gives the bits for c.
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
	if dst == nil {
		dst = make([]byte, 0, c.room())
	}
	s := c.shape()
	return c.appendBody(append(dst, s), s, 0)
}

// room is at least as much as Append needs for c, unless a length takes more than three bytes; then append sees to it.
func (c *Credential) room() int {
	return 32 + len(c.Token) + len(c.RefreshToken) + len(c.APIKey) + 2*3*maxParts
}

// appendBody appends what follows the shape, with IssuedAt relative to base.
func (c *Credential) appendBody(dst []byte, s byte, base int64) []byte {
	dst = appendVarint(dst, c.IssuedAt-base)
	if s&hasExpiry != 0 {
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

// ParseCredential sets c to the credential at the beginning of b and returns what follows it. The error is [ErrMalformed],
// and c is zero then, for anything that Append would not have written. c shares no memory with b.
func ParseCredential(b []byte, c *Credential) (rest []byte, err error) {
	*c = Credential{}
	d := reader{rest: b}
	shape := d.byte()
	parsed := d.credential(shape, 0)
	if d.bad {
		return nil, ErrMalformed
	}
	*c = parsed
	return d.rest, nil
}

// credential reads what appendBody wrote. Its strings are parts of a single one.
func (d *reader) credential(shape byte, base int64) Credential {
	d.fail(shape&^shapeBits != 0 || shape&refreshPacked != 0 && shape&hasRefresh == 0)
	var c Credential
	c.IssuedAt = base + d.varint()
	if shape&hasExpiry != 0 {
		c.ExpiresAt = c.IssuedAt + d.varint()
		d.fail(c.ExpiresAt == 0)
	}
	var token, refresh, apiKey text
	token = d.token(shape&tokenPacked != 0)
	if shape&hasRefresh != 0 {
		refresh = d.token(shape&refreshPacked != 0)
		d.fail(refresh.len() == 0)
	}
	if shape&hasAPIKey != 0 {
		apiKey = d.plain()
		d.fail(apiKey.len() == 0)
	}
	if d.bad {
		return Credential{}
	}
	var all strings.Builder
	all.Grow(token.len() + refresh.len() + apiKey.len())
	token.writeTo(&all)
	refresh.writeTo(&all)
	apiKey.writeTo(&all)
	s := all.String()
	c.Token, s = s[:token.len()], s[token.len():]
	c.RefreshToken, c.APIKey = s[:refresh.len()], s[refresh.len():]
	return c
}
