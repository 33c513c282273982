package subject

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strings"
)

// limit is what no encrypted cookie can do without: find it in the header,
// decode base64, open AES-GCM. No middleware, no context, no ledger, no limits
// and no token: it ends with the plaintext, whose length is that of a token
// with the parts of it decoded that are base64url themselves.
type limit struct {
	prefix string // the cookie's name and "="
	aead   cipher.AEAD
	plain  []byte // what was sealed
	value  string // the cookie's, by another key where it is forged
}

const nonceSize = 12

// newLimit opens by key what was sealed by sealedBy.
func newLimit(key, sealedBy []byte, token string) (*limit, error) {
	var aeads [2]cipher.AEAD
	for i, key := range [][]byte{key, sealedBy} {
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		if aeads[i], err = cipher.NewGCM(block); err != nil {
			return nil, err
		}
	}
	l := &limit{prefix: CookieName + "=", aead: aeads[0], plain: packed(token)}
	sealed := make([]byte, nonceSize)
	rand.Read(sealed) // never fails
	sealed = aeads[1].Seal(sealed, sealed, l.plain, nil)
	l.value = base64.RawURLEncoding.EncodeToString(sealed)
	return l, nil
}

// packed is a token with its parts decoded, each with its length in front; or
// as it is, where it is something else than base64url.
func packed(token string) []byte {
	var out []byte
	for part := range strings.SplitSeq(token, ".") {
		bytes, err := base64.RawURLEncoding.Strict().DecodeString(part)
		if err != nil {
			return []byte(token)
		}
		out = binary.AppendUvarint(out, uint64(len(bytes)))
		out = append(out, bytes...)
	}
	return out
}

// open returns the plaintext in the cookie, in buffer. It returns nil where
// there is no cookie, or one that does not open.
func (l *limit) open(header http.Header, buffer []byte) []byte {
	for _, line := range header["Cookie"] {
		value, ok := l.find(line)
		if !ok {
			continue
		}
		n := len(value)/4*3 + len(value)%4*3/4
		if n > len(buffer) || n < nonceSize+l.aead.Overhead() || !decode(buffer[:n], value) {
			return nil
		}
		sealed := buffer[nonceSize:n]
		plain, err := l.aead.Open(sealed[:0], buffer[:nonceSize], sealed, nil)
		if err != nil {
			return nil
		}
		return plain
	}
	return nil
}

// find returns the value of the cookie in one line.
func (l *limit) find(line string) (string, bool) {
	for from := 0; ; {
		at := strings.Index(line[from:], l.prefix)
		if at < 0 {
			return "", false
		}
		at += from
		from = at + len(l.prefix)
		if at == 0 || line[at-1] == ' ' || line[at-1] == ';' {
			value, _, _ := strings.Cut(line[from:], ";")
			return value, true
		}
	}
}

// places gives what each letter of base64url adds to the 24 bits of four, by
// its place among them. All other letters have the bit foreign.
var places = func() (t [4][256]uint32) {
	for place := range t {
		for c := range t[place] {
			t[place][c] = foreign
		}
		for v, c := range []byte(base64url) {
			t[place][c] = uint32(v) << (18 - 6*place)
		}
	}
	return t
}()

const foreign = 1 << 31

// decode writes to dst what text stands for, and reports whether it is
// base64url.
func decode(dst []byte, text string) bool {
	var all uint32
	for len(text) >= 8 && len(dst) >= 8 {
		t := text[:8]
		a := places[0][t[0]] | places[1][t[1]] | places[2][t[2]] | places[3][t[3]]
		b := places[0][t[4]] | places[1][t[5]] | places[2][t[6]] | places[3][t[7]]
		all |= a | b
		binary.BigEndian.PutUint64(dst, uint64(a)<<40|uint64(b)<<16)
		text, dst = text[8:], dst[6:]
	}
	for len(text) > 0 {
		var bits uint32
		n := min(len(text), 4)
		for i := range n {
			bits |= places[i][text[i]]
		}
		all |= bits
		for i := range n - 1 {
			dst[i] = byte(bits >> (16 - 8*i))
		}
		text, dst = text[n:], dst[n-1:]
	}
	return all < foreign
}
