package cookie

import (
	"sync"

	"github.com/ecgrid-contrib/ecgridsession/internal/record"
	"github.com/ecgrid-contrib/ecgridsession/internal/seal"
)

// Sealed seals records for one cookie name and one upstream, so that a
// cookie of the test system is nothing to the live one.
type Sealed struct {
	ring *seal.Ring
	// ad is the additional data of each record: not secret, not stored, and
	// nothing opens without the same (SP 800-38D, 5.2.1.1).
	ad []byte
	// buffers are of *[2 * MaxSize]byte, what opening a cookie takes: a
	// kilobyte of garbage less for every request.
	buffers *sync.Pool
}

// NewSealed asks for keys of this purpose alone: neither a value of the
// ledger nor a cookie of a CookieStore on the same Config.Keys opens here.
func NewSealed(keys [][]byte, name, upstream string) (Sealed, error) {
	ring, err := seal.NewRing(keys, "session cookie")
	if err != nil {
		return Sealed{}, err
	}
	// A cookie name holds no NUL, so no two pairs run together.
	ad := []byte(name + "\x00" + upstream)
	buffers := &sync.Pool{New: func() any { return new([2 * MaxSize]byte) }}
	return Sealed{ring: ring, ad: ad, buffers: buffers}, nil
}

// Seal returns the cookie value that carries rec.
func (s *Sealed) Seal(rec *record.Record) string {
	return s.ring.SealText(rec.Append(nil), s.ad)
}

// Open reports a value of an older key as Outdated, so that it is sealed again
// while that key is still in the ring.
func (s *Sealed) Open(value string) (rec record.Record, how Reading) {
	buffer := s.buffers.Get().(*[2 * MaxSize]byte)
	defer s.buffers.Put(buffer)
	plain, byFirst, err := s.ring.OpenText(buffer[:0], value, s.ad)
	// The buffer is used again for other users' cookies: no token stays behind
	// in it.
	defer clear(plain) // the record is a copy
	switch {
	case err != nil || record.Parse(plain, &rec) != nil:
		return rec, Unreadable
	case byFirst:
		return rec, Current
	default:
		return rec, Outdated
	}
}
