// Package record turns a session into the bytes that are sealed into a cookie, and a credential into those that are sealed
// into a ledger, and back.
//
// The form is compact, since a cookie has about 4,000 bytes and travels with every request, and canonical: one session has
// one encoding, and Parse accepts no other. Nothing here is encrypted or authenticated; package seal does that.
package record

import "encoding/binary"

// Record is a session. The zero value is one without credential, and as good as any other to Append and Parse, which judge
// no value: times may be negative or far away. It prints, logs and marshals as a constant; a struct that holds one in an
// unexported field must see to that itself, because package fmt does not call methods there.
//
// A Record is made at sign-in, changed only by whoever writes the next cookie, and read from the cookie of every
// request. What it says was true when the cookie was set: whether the session has ended since, and whether there is a
// newer credential, only the ledger knows.
type Record struct {
	// ID is random, drawn at sign-in. The ledger's keys are hashes of it.
	ID [16]byte
	// Generation is how often the token has been refreshed: the higher one of two copies of a session is the one to go
	// by.
	Generation uint64
	// CutOff is the user's cut-off number at sign-in. The session has ended when the ledger's is higher.
	CutOff uint64
	// APIKey: the session is one of an API key; implies InLedger.
	APIKey bool
	// InLedger: the credential is in the ledger; nothing of it is written here.
	InLedger bool
	// UserID is ECGrid's number of the user.
	UserID int64
	// Login is the user's login name, any bytes; "" where only a token was given.
	Login string
	// StartedAt is the sign-in, in ms since the Unix epoch. The absolute limit counts from here, and nothing ever moves
	// it.
	StartedAt int64
	// SeenAt is when the cookie was issued last, in ms since the Unix epoch. The idle limit counts from here.
	SeenAt int64
	// Credential is zero after Parse if InLedger.
	Credential Credential
}

// version is the first byte of a record. Another form takes another number, and Parse then reads both for as long as
// cookies of the older one are about. Without it, a deploy that changes the form would sign out everybody.
const version = 1

// The second byte of a record has these bits, and those of the credential's shape where it is written here.
const (
	// They share a byte because a cookie has none to spare: it travels with each image, too.
	flagAPIKey   = 1 << 7
	flagInLedger = 1 << 6
)

// Append appends the encoding of r to dst:
//
//	version (1)          1
//	flags (1)            flagAPIKey, flagInLedger, or-ed with the shape of the credential
//	ID (16)
//	Generation, CutOff   uvarint
//	UserID, StartedAt    uvarint of the 64 bits
//	SeenAt               varint, less StartedAt
//	Login                uvarint of the length, bytes
//	Credential           less its shape, times relative to SeenAt; nothing at all if flagInLedger
//
// An API key is never written: a session of one (by APIKey, or because the credential holds a key) is encoded as one whose
// credential is in the ledger.
func (r *Record) Append(dst []byte) []byte {
	if dst == nil {
		dst = make([]byte, 0, 2+len(r.ID)+6*binary.MaxVarintLen64+len(r.Login)+r.Credential.room())
	}
	// Decided here and not by the caller: no mistake elsewhere puts a key, which outlives the session, into a cookie.
	var flags, shape byte
	apiKey := r.APIKey || r.Credential.APIKey != ""
	inLedger := r.InLedger || apiKey
	if apiKey {
		flags |= flagAPIKey
	}
	if inLedger {
		flags |= flagInLedger
	} else {
		shape = r.Credential.shape()
	}
	dst = append(dst, version, flags|shape)
	// Fixed length: nothing says where it ends.
	dst = append(dst, r.ID[:]...)
	dst = appendUvarint(dst, r.Generation)
	dst = appendUvarint(dst, r.CutOff)
	dst = appendUvarint(dst, uint64(r.UserID))
	dst = appendUvarint(dst, uint64(r.StartedAt))
	// Differences wrap around, here and in Parse, so that every pair of times survives.
	dst = appendVarint(dst, r.SeenAt-r.StartedAt)
	dst = appendBytes(dst, r.Login)
	if !inLedger {
		dst = r.Credential.appendBody(dst, shape, r.SeenAt)
	}
	return dst
}

// Parse sets r to the session that b encodes. The error is [ErrMalformed], and r is zero then, for anything that Append
// would not have written: what Parse accepts, Append encodes to the same bytes. r shares no memory with b.
//
// The login is a string of its own, while token and refresh token share one: who keeps the login, to log it or to show
// it, does not keep the credential in memory with it. Strict as it is, it is no defence: what gets here was sealed by
// us. It is for our own mistakes, and for what a later version wrote, neither of which may be guessed at.
func Parse(b []byte, r *Record) error {
	*r = Record{}
	d := reader{rest: b}
	if d.byte() != version {
		return ErrMalformed
	}
	flags := d.byte()
	id := d.take(uint64(len(r.ID)))
	generation, cutOff := d.uvarint(), d.uvarint()
	userID, startedAt := int64(d.uvarint()), int64(d.uvarint())
	seenAt := startedAt + d.varint()
	login := d.take(d.uvarint())

	apiKey, inLedger := flags&flagAPIKey != 0, flags&flagInLedger != 0
	shape := flags &^ (flagAPIKey | flagInLedger)
	var c Credential
	switch {
	case inLedger:
		d.fail(shape != 0)
	default:
		// Append writes no such thing, whatever it is given.
		d.fail(apiKey || shape&hasAPIKey != 0)
		c = d.credential(shape, seenAt)
	}
	// Bytes that are left over are refused: a later version may mean something by them.
	if d.bad || len(d.rest) > 0 {
		return ErrMalformed
	}
	*r = Record{
		ID:         [16]byte(id),
		Generation: generation,
		CutOff:     cutOff,
		APIKey:     apiKey,
		InLedger:   inLedger,
		UserID:     userID,
		Login:      string(login),
		StartedAt:  startedAt,
		SeenAt:     seenAt,
		Credential: c,
	}
	return nil
}
