package base64url

import "encoding/binary"

// notInAlphabet has a bit that four characters never have together, so that what many of them give can be or-ed and judged
// once.
const notInAlphabet = 1 << 31

// sextets gives for each of the four characters of a quantum the 6 bits that it contributes to 24.
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
// canonical. If it is not, dst holds rubbish.
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
	// What is left over must be less than a character, and zero.
	return bad < notInAlphabet && n < 6 && bits == 0
}
