package session

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/ecgrid-contrib/ecgridsession/internal/base64url"
)

// Keys are where the ledger keeps what concerns one session, and the
// short reference to it. What is of the session is a one-way function of its
// id. They are computed once for a request, and kept with the snapshot.
type Keys struct {
	at  [2]string // the session's entry and the user's cut-off, as Load takes them
	ref [5]byte
}

// Ref is a short reference to the session, for logs.
func (k *Keys) Ref() [5]byte { return k.ref }

// Session is the key of the session's entry.
func (k *Keys) Session() string { return k.at[0] }

// User is the key of the user's cut-off number.
func (k *Keys) User() string { return k.at[1] }

// keyLen is a letter for the kind and 16 bytes in base64url.
const keyLen = 1 + 22

// newKeys hashes with the upstream's salt, so the same user of two ECGrids has
// two cut-offs. The hash needs no secret: a session's id is 128 random bits,
// which nobody can try out.
func newKeys(salt [16]byte, id [16]byte, userID int64) Keys {
	var in [16 + 1 + 16]byte // one block of SHA-256
	copy(in[:16], salt[:])
	in[16] = 's'
	// Half of the hash is the key, and the reference for logs is of the other
	// half: neither gives the other.
	copy(in[17:], id[:])
	session := sha256.Sum256(in[:])

	// A user's number is so small that a hash would not hide it.
	var user [16]byte
	copy(user[:8], salt[:])
	binary.BigEndian.PutUint64(user[8:], uint64(userID))

	out := make([]byte, 0, 2*keyLen)
	out = base64url.AppendEncode(append(out, 's'), session[:16])
	out = base64url.AppendEncode(append(out, 'u'), user[:])
	both := string(out) // one string for both: this runs on every request

	keys := Keys{at: [2]string{both[:keyLen], both[keyLen:]}}
	copy(keys.ref[:], session[16:])
	return keys
}
