package base64url

import (
	"encoding/base64"
	"encoding/binary"
)

// pairs gives the two characters of base64url for 12 bits, the first in the low byte. It takes 8 KiB. Three bytes are
// encoded to find two characters: the standard library is what says which they are.
var pairs = func() (t [1 << 12]uint16) {
	for bits := range uint16(len(t)) {
		var c [4]byte
		base64.RawURLEncoding.Encode(c[:], []byte{byte(bits >> 4), byte(bits << 4), 0})
		t[bits] = uint16(c[0]) | uint16(c[1])<<8
	}
	return t
}()

// AppendEncode appends what src is in base64url to dst: base64.RawURLEncoding.AppendEncode, 12 bits at a time where
// that takes 6. The last characters, of fewer than 8 bytes, are the standard library's affair: the fast loop reads 8
// where it uses 6, and must not read past the end.
func AppendEncode(dst, src []byte) []byte {
	for len(src) >= 8 {
		v := binary.BigEndian.Uint64(src) // of which 6 bytes count
		dst = binary.LittleEndian.AppendUint64(dst, uint64(pairs[v>>52])|uint64(pairs[v>>40&0xfff])<<16|
			uint64(pairs[v>>28&0xfff])<<32|uint64(pairs[v>>16&0xfff])<<48)
		src = src[6:]
	}
	return base64.RawURLEncoding.AppendEncode(dst, src)
}
