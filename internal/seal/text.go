package seal

import (
	"encoding/base64"

	"github.com/ecgrid-contrib/ecgridsession/internal/base64url"
)

// TextLen is the length of what [Ring.SealText] makes of a plaintext of plaintextLen bytes.
func TextLen(plaintextLen int) int {
	return base64.RawURLEncoding.EncodedLen(Overhead + plaintextLen)
}

// SealText is [Ring.Seal] with the result in base64url without padding (RFC 4648, section 5), which may stand in a
// cookie as it is. Both the bytes and the text are written into one buffer, and only the string is kept.
func (r *Ring) SealText(plaintext, ad []byte) string {
	buf := make([]byte, 0, Overhead+len(plaintext)+TextLen(len(plaintext)))
	buf = r.Seal(buf, plaintext, ad)
	text := base64url.AppendEncode(buf, buf)[len(buf):]
	return string(text)
}

// OpenText is [Ring.Open] for what SealText made. A value has exactly one spelling: padding, line breaks, other characters
// and bits that the last character has to spare are refused.
//
// OpenText allocates once, and not at all if dst has free capacity for 2*len(value) bytes. What dst holds beyond the
// plaintext that is returned, up to its capacity, may be overwritten. A value that names no key of the ring is refused
// before it is decoded.
func (r *Ring) OpenText(dst []byte, value string, ad []byte) (plaintext []byte, current bool, err error) {
	n := base64url.DecodedLen(len(value))
	// So value has the eight characters that are cut from it below.
	if n < Overhead {
		return nil, false, ErrOpen
	}
	var head [6]byte
	// Eight characters hold version and id. They are decoded once more below, with the rest: for what opens that costs
	// little, and garbage is refused without room for all of it.
	if !base64url.Decode(head[:], value[:8]) || !r.knows(head[:]) {
		return nil, false, ErrOpen
	}
	// The decoded value goes behind the place of the plaintext: opening in place would make the cipher move it first,
	// since the plaintext lacks the nonce in front.
	start := len(dst) + n - Overhead
	buf := dst
	if cap(buf) < start+n {
		buf = make([]byte, start+n)
		copy(buf, dst)
	}
	sealed := buf[start : start+n]
	if !base64url.Decode(sealed, value) {
		return nil, false, ErrOpen
	}
	return r.Open(buf[:len(dst)], sealed, ad)
}
