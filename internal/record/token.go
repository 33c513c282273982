package record

import (
	"encoding/base64"
	"slices"
	"strings"

	"github.com/ecgrid-contrib/ecgridsession/internal/base64url"
)

// A token whose parts, separated by dots, are all base64url is packed: written as the bytes that the parts stand for, which
// takes a quarter off, and exactly as much as the seal's own base64url puts on. That covers JWTs (RFC 7519), which have
// three parts, or five if encrypted (RFC 7516, section 3.1), and random strings in base64url or hex, which have one.
//
// Packed form:
//
//	lead (1)      8 * index of the first part in headers (0: not there) + number of further parts
//	each further part: uvarint of the length, bytes
//
// Five is also where the packed form ends for what is no JWT: a string with more dots is written as it is.
const maxParts = 5

// headers are first parts of JWTs that are common enough to be worth one byte: as the bytes that are encoded, and in
// base64url. Positions are part of the format, so entries may not be moved, and even a new one needs a new version of
// the record: what had to be spelled out before would no longer be canonical. The lead byte has room for 31. A loop
// looks them up: thirty are few. The first part of a JWT is the same in all tokens of one issuer, so it says nothing
// that is worth its bytes in a cookie.
var headers = func() (t [30]struct{ bytes, text string }) {
	for i, s := range [len(t)]string{
		"", // index 0 says that the first part is not in the table
		`{"alg":"HS256","typ":"JWT"}`,
		`{"typ":"JWT","alg":"HS256"}`,
		`{"alg":"HS256"}`,
		`{"alg":"HS384","typ":"JWT"}`,
		`{"typ":"JWT","alg":"HS384"}`,
		`{"alg":"HS512","typ":"JWT"}`,
		`{"typ":"JWT","alg":"HS512"}`,
		`{"alg":"HS512"}`,
		`{"alg":"RS256","typ":"JWT"}`,
		`{"typ":"JWT","alg":"RS256"}`,
		`{"alg":"RS256"}`,
		`{"alg":"RS384","typ":"JWT"}`,
		`{"typ":"JWT","alg":"RS384"}`,
		`{"alg":"RS512","typ":"JWT"}`,
		`{"typ":"JWT","alg":"RS512"}`,
		`{"alg":"PS256","typ":"JWT"}`,
		`{"typ":"JWT","alg":"PS256"}`,
		`{"alg":"ES256","typ":"JWT"}`,
		`{"typ":"JWT","alg":"ES256"}`,
		`{"alg":"ES256"}`,
		`{"alg":"ES384","typ":"JWT"}`,
		`{"typ":"JWT","alg":"ES384"}`,
		`{"alg":"ES512","typ":"JWT"}`,
		`{"typ":"JWT","alg":"ES512"}`,
		`{"alg":"EdDSA","typ":"JWT"}`,
		`{"typ":"JWT","alg":"EdDSA"}`,
		`{"alg":"HS256","typ":"at+jwt"}`, // RFC 9068
		`{"alg":"RS256","typ":"at+jwt"}`,
		// What .NET writes for HS256 when it is given the algorithm by its XML name.
		`{"alg":"http://www.w3.org/2001/04/xmldsig-more#hmac-sha256","typ":"JWT"}`,
	} {
		t[i].bytes, t[i].text = s, base64.RawURLEncoding.EncodeToString([]byte(s))
	}
	return t
}()

// indexOfText gives the position in headers of a first part in base64url, 0 if it is not there. It is for writing,
// where parts are still characters; the other is for reading, to find what should have been written by its index.
func indexOfText(part string) int {
	for i := 1; i < len(headers); i++ {
		if headers[i].text == part {
			return i
		}
	}
	return 0
}

// indexOfBytes does the same for a first part that is decoded.
func indexOfBytes(part []byte) int {
	for i := 1; i < len(headers); i++ {
		if headers[i].bytes == string(part) {
			return i
		}
	}
	return 0
}

// sextets gives the 6 bits of a character of base64url (RFC 4648, section 5), and 0xff for any other character. It says
// which characters are good and which bits the last one has; base64url.Decode would say the same of a whole part, but
// writes the bytes as well, and the length of the result is wanted first.
var sextets = func() (t [256]byte) {
	for i := range t {
		t[i] = 0xff
	}
	for i := range byte(64) {
		var c [4]byte
		base64.RawURLEncoding.Encode(c[:], []byte{i << 2, 0, 0})
		t[c[0]] = i
	}
	return t
}()

// packable reports whether the packed form of token stands for token and for no other. A part qualifies if it decodes
// and encodes to itself again: no other character, no remainder of one, no bit set that the last character has to spare
// (RFC 4648, section 3.5). Strings and bytes both, since Append asks it of a token and Parse of the bytes that stand
// for one unpacked: the two must never differ, or a token would have two encodings.
func packable[T string | []byte](token T) bool {
	parts, n := 1, 0 // n characters of the present part so far
	var last byte    // the bits of the latest
	for i := range len(token) {
		if token[i] == '.' {
			// An empty part is good: JWTs with direct encryption have one (RFC 7516, section 5.1).
			if !wholeBytes(n, last) {
				return false
			}
			parts, n = parts+1, 0
			continue
		}
		// Bytes and not runes: what is beyond ASCII is in no table, byte by byte.
		last = sextets[token[i]]
		if last == 0xff {
			return false
		}
		n++
	}
	// The last part has no dot behind it.
	return wholeBytes(n, last) && parts <= maxParts
}

// wholeBytes reports whether n characters, the last of which has the given bits, stand for a whole number of bytes. The
// bits that the last character has to spare must be zero: any other would decode to the same bytes and come back as
// another token.
func wholeBytes(n int, last byte) bool {
	switch n % 4 {
	// Six bits are no byte.
	case 1:
		return false
	case 2:
		return last&0xf == 0
	case 3:
		return last&0x3 == 0
	}
	return true
}

// appendToken appends token, packed if asked to, which takes a token that is packable. The lead byte tells index and
// number of parts, so a first part that is in the table costs nothing else, in place of some twenty-seven bytes and
// their length.
func appendToken(dst []byte, token string, packed bool) []byte {
	if !packed {
		return appendBytes(dst, token)
	}
	parts := strings.Count(token, ".") + 1
	first, others, found := strings.Cut(token, ".")
	index := indexOfText(first)
	if index > 0 {
		// The first part is told by the index, so it is not counted.
		parts--
	}
	// Three bits for up to five parts, five for the index.
	dst = append(dst, byte(index<<3|parts))
	if index > 0 {
		// Nothing but a first part: there is no dot for Split to find behind it.
		if !found {
			return dst
		}
		token = others
	}
	for part := range strings.SplitSeq(token, ".") {
		n := base64url.DecodedLen(len(part))
		dst = appendUvarint(dst, uint64(n))
		// In place, behind the length: no buffer for the part is needed.
		start := len(dst)
		dst = slices.Grow(dst, n)[:start+n]
		base64url.Decode(dst[start:], part) // cannot fail: the token is packable
	}
	return dst
}

// text is a string to be: the parts to write, still in the bytes that are parsed. It exists so that all of a
// credential's strings can be built in one piece: their lengths are needed before any of them is written.
type text struct {
	// prefix goes in front, as it is.
	prefix string
	// parts are what goes into base64url, with a dot between two of them.
	parts [maxParts][]byte
	// n is how many parts there are.
	n int
	// packed: otherwise there is one part, and it goes as it is.
	packed bool
	// length is of the whole, known before any of it is written.
	length int
}

// len is in characters of the token, as writeTo will write them.
func (t *text) len() int { return t.length }

// plain reads bytes that stand for themselves. It is how API keys and tokens of any other form are written.
func (d *reader) plain() text {
	b := d.take(d.uvarint())
	return text{parts: [maxParts][]byte{b}, n: 1, length: len(b)}
}

// token reads what appendToken wrote, and refuses what it would have written otherwise.
func (d *reader) token(packed bool) text {
	if !packed {
		t := d.plain()
		// Append would have packed it, and two encodings of one token would be two cookies of one session.
		d.fail(packable(t.parts[0]))
		return t
	}
	// What is wrong with the lead is judged before anything is read by it: index and n are within their arrays from
	// here on.
	lead := d.byte()
	// n is up to seven here: five and less is for the check below to say.
	index, n := int(lead>>3), int(lead&7)
	parts := n
	if index > 0 {
		parts++
	}
	// No parts at all is what nobody writes: an empty token has one, of no bytes.
	d.fail(index >= len(headers) || parts == 0 || parts > maxParts)
	if d.bad {
		return text{}
	}
	t := text{prefix: headers[index].text, n: n, packed: true}
	// The dots: one between each two parts.
	t.length = len(t.prefix) + parts - 1
	for i := range n {
		// The parts stay where they are until the string is built: nothing is copied twice.
		t.parts[i] = d.take(d.uvarint())
		t.length += base64.RawURLEncoding.EncodedLen(len(t.parts[i]))
	}
	// A first part that is in the table has to be written as its index.
	d.fail(index == 0 && indexOfBytes(t.parts[0]) > 0)
	return t
}

// writeTo writes t, for which b must have room. It cannot fail: lengths and parts were judged when they were read.
func (t *text) writeTo(b *strings.Builder) {
	if !t.packed {
		b.Write(t.parts[0])
		return
	}
	b.WriteString(t.prefix)
	// Encoding piece by piece into an array on the stack, instead of into a buffer of the whole length, leaves the string
	// itself as the only allocation. A piece is a multiple of 3 bytes, so that none but the last ends inside a character.
	var chars [512]byte
	const piece = len(chars) / 4 * 3
	for i, part := range t.parts[:t.n] {
		if i > 0 || t.prefix != "" {
			b.WriteByte('.')
		}
		for len(part) > 0 {
			k := min(piece, len(part))
			// The array does not escape, which a slice of it kept anywhere would change.
			b.Write(base64url.AppendEncode(chars[:0], part[:k]))
			part = part[k:]
		}
	}
}
