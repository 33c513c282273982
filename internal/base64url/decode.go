package base64url

import "encoding/binary"

// notInAlphabet has a bit that four characters never have together, so that what many of them give can be or-ed and judged
// once.
const notInAlphabet = 1 << 31

// sextets gives for each of the four characters of a quantum the 6 bits that it contributes to 24. Four tables and not
// one with shifts: the shift is paid when the program starts. They are 4 KiB together and stay in the processor's first
// cache.
var sextets = func() (t [4][256]uint32) {
	for i := range t {
		for c := range t[i] {
			t[i][c] = notInAlphabet
		}
		for v, c := range []byte(alphabet) {
			t[i][c] = uint32(v) << (18 - 6*i)
		}
	}
	return t
}()

// quantum gives the 24 bits of the first four characters of s.
func quantum(s string) uint32 {
	return sextets[0][s[0]] | sextets[1][s[1]] | sextets[2][s[2]] | sextets[3][s[3]]
}

// Decode fills dst, which must be DecodedLen(len(s)) bytes long, with what s stands for, and reports whether s is
// canonical. If it is not, dst holds rubbish. There is no early way out: what is bad is gathered in one bit and looked
// at once, which is faster for what is good and takes the same time for what is not. Padding, CR and LF are not in the
// alphabet, and so need no rule of their own.
func Decode(dst []byte, s string) bool {
	var bad uint32
	for len(s) >= 8 && len(dst) >= 8 {
		chars, out := s[:8], dst[:8]
		v, w := quantum(chars), quantum(chars[4:])
		bad |= v | w
		// Eight bytes are written, of which six count: the next round, or the loop below, overwrites the other two.
		binary.BigEndian.PutUint64(out, uint64(v)<<40|uint64(w)<<16)
		s, dst = s[8:], dst[6:]
	}
	// The remainder, of less than 8 characters or less than 8 bytes of room.
	var bits uint32 // its n low bits are yet to be written
	var n int
	for i := range len(s) {
		v := sextets[3][s[i]]
		bad |= v
		bits, n = bits<<6|v, n+6
		if n >= 8 {
			n -= 8
			dst[0] = byte(bits >> n)
			dst = dst[1:]
			bits &= 1<<n - 1
		}
	}
	// What is left over must be less than a character, and zero. Without the last two, characters that differ in their
	// spare bits would be two spellings of one value (RFC 4648, section 3.5).
	return bad < notInAlphabet && n < 6 && bits == 0
}
