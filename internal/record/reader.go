package record

import (
	"encoding/binary"
	"errors"
)

// ErrMalformed is the error for bytes that Append would not have written. It does not say what is wrong with them, because
// they may hold a secret.
var ErrMalformed = errors.New("record: malformed")

// What Append writes with and what Parse reads by: a number, a length and bytes behind it, and nothing else. The
// varints are those of encoding/binary, but read strictly.

func appendUvarint(dst []byte, v uint64) []byte { return binary.AppendUvarint(dst, v) }

func appendVarint(dst []byte, v int64) []byte { return binary.AppendVarint(dst, v) }

// appendBytes puts the length in front, so what follows needs no end mark and any byte may be in it.
func appendBytes(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// reader takes an encoding apart from the front. The first thing it cannot read makes it bad; from then on it yields
// zero values, so that only the end result needs to be judged. It takes no length on trust: what a number promises is
// compared with what is there before anything is taken or made room for, so that a few bytes never cost a megabyte.
type reader struct {
	// rest is what was not read yet; what is left in it at the end is for the caller to refuse.
	rest []byte
	// bad stays once it is set.
	bad bool
}

// fail makes d bad if cond holds. Taking the rest away is what makes it yield zero values. It may be called with
// anything that was read, also after d is bad: it never makes it good again.
func (d *reader) fail(cond bool) {
	if cond {
		d.bad, d.rest = true, nil
	}
}

// byte is the next byte, 0 once d is bad: who gets it looks at d.bad at the end.
func (d *reader) byte() byte {
	if len(d.rest) == 0 {
		d.fail(true)
		return 0
	}
	b := d.rest[0]
	d.rest = d.rest[1:]
	return b
}

// take returns the next n bytes, without copying them. The length is compared before it becomes an int, so that one of
// more than 63 bits cannot turn negative. What is returned cannot be appended to over what follows.
func (d *reader) take(n uint64) []byte {
	if n > uint64(len(d.rest)) {
		d.fail(true)
		return nil
	}
	b := d.rest[:n:n]
	d.rest = d.rest[n:]
	return b
}

// uvarint refuses numbers of more than 64 bits and, since they would be a second spelling, those that end in a zero byte
// without being zero.
func (d *reader) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 || n > 1 && d.rest[n-1] == 0 {
		d.fail(true)
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

// varint undoes the zigzag of binary.AppendVarint. binary.Varint would do, but takes overlong numbers.
func (d *reader) varint() int64 {
	u := d.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}
