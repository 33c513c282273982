// Package seal encrypts and authenticates the values that this library hands to browsers and to ledgers.
//
// It is AES-256-GCM (NIST SP 800-38D) with random nonces, under keys derived by HKDF (RFC 5869) from those of the
// configuration: a ring of them, of which the first seals and every one opens, so that keys can be rotated while values
// sealed under the older ones are still about.
//
// # Limits
//
// A random 96-bit nonce allows at most 2^32 seals under one key (SP 800-38D, section 8.3): beyond that, the chance that a
// nonce comes twice, which would give away the authentication key, is no longer negligible. Replace the first key well
// before. A hundred seals in every second, day and night, reach the bound after 16 months. Each purpose counts by itself,
// because each has a subkey of its own.
//
// Sealing hides what a value says, not how long it is, and does not tell a new value from an old one: whoever kept a copy
// can bring it again, and it opens. Who must refuse old values has to look at what is inside them.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// A sealed value is
//
//	version (1) ‖ key id (4) ‖ nonce (12) ‖ ciphertext (as long as the plaintext) ‖ tag (16)
//
// Version and key id are not part of the additional data, and need not be: both are functions of the key that the tag
// vouches for. A key opens a value only if the value carries that key's own id and the version that the key was derived
// for, so for a given nonce, ciphertext and tag exactly one header is accepted. Any other header means no key at all, or
// keys under which the tag is no better than a random guess.
const (
	version   = 1
	idSize    = 4
	header    = 1 + idSize
	nonceSize = 12
	tagSize   = 16
)

// Overhead is by how many bytes a sealed value is longer than its plaintext.
const Overhead = header + nonceSize + tagSize

// ErrOpen is the one error of [Ring.Open] and [Ring.OpenText]. It does not say why a value did not open, since whoever
// brought the value may be probing for just that.
var ErrOpen = errors.New("seal: the value does not open")

// Ring seals with its first key and opens with any. It is immutable and safe for concurrent use. The zero value has no
// key: it opens nothing, and sealing with it panics.
//
// A Ring keeps ciphers, not the bytes of its keys, and prints as a constant under every verb of package fmt.
type Ring struct {
	keys []key
}

// key is one secret, derived for one purpose. id is no secret: it stands in front of each value, for all to see.
type key struct {
	id   uint32
	aead cipher.AEAD
}

// NewRing returns a ring of keys, each of exactly 32 random bytes, for one purpose. The keys are not retained. A value
// sealed for one purpose never opens for another, since each purpose has subkeys of its own.
//
// The error joins every fault that [Check] finds; an empty purpose is one more.
func NewRing(keys [][]byte, purpose string) (*Ring, error) {
	faults := Check(keys)
	if purpose == "" {
		faults = append(faults, errors.New("seal: the purpose is empty"))
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	// Deriving and building is done once for a purpose, when the app starts, and never for a request.
	r := &Ring{keys: make([]key, 0, len(keys))}
	for _, secret := range keys {
		k, err := derive(secret, purpose)
		if err != nil {
			return nil, err
		}
		r.keys = append(r.keys, k)
	}
	return r, nil
}

// derive makes of a secret the cipher of one purpose and the id by which sealed values name it. The labels carry the
// version of the format, so a later format shares no subkey with this one. The id is the secret's and not the purpose's:
// it says which key of the configuration is in use, and nothing else about it.
func derive(secret []byte, purpose string) (key, error) {
	// No salt: the secrets are uniformly random already, and a salt would have to be configured too (RFC 5869, section 3.1).
	root, err := hkdf.Extract(sha256.New, secret, nil)
	if err != nil {
		return key{}, fmt.Errorf("seal: deriving a key: %w", err)
	}
	defer clear(root)
	id, err := hkdf.Expand(sha256.New, root, "ecgridsession seal v1 key id", idSize)
	if err != nil {
		return key{}, fmt.Errorf("seal: deriving a key: %w", err)
	}
	subkey, err := hkdf.Expand(sha256.New, root, "ecgridsession seal v1 subkey for "+purpose, KeySize)
	if err != nil {
		return key{}, fmt.Errorf("seal: deriving a key: %w", err)
	}
	defer clear(subkey)
	block, err := aes.NewCipher(subkey)
	if err != nil {
		return key{}, fmt.Errorf("seal: building a cipher: %w", err)
	}
	// The standard library draws the nonce itself, so there is no code of ours that could repeat one; and unlike
	// cipher.NewGCM it is also there in FIPS 140-3-only mode.
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return key{}, fmt.Errorf("seal: building a cipher: %w", err)
	}
	return key{id: binary.BigEndian.Uint32(id), aead: aead}, nil
}

// Seal appends to dst what [Ring.Open] turns back into plaintext, given the same additional data ad: [Overhead] bytes more
// than the plaintext. Neither plaintext nor ad may overlap the free capacity of dst.
func (r *Ring) Seal(dst, plaintext, ad []byte) []byte {
	first := &r.keys[0]
	// Once for all three parts, where append would grow for each.
	dst = slices.Grow(dst, Overhead+len(plaintext))
	dst = append(dst, version)
	dst = binary.BigEndian.AppendUint32(dst, first.id)
	return first.aead.Seal(dst, nil, plaintext, ad)
}

// Open appends to dst the plaintext of a value that Seal made, with any key of the ring. current says that it was the
// first one; a value for which it is false should be sealed anew before its key leaves the ring. Neither sealed nor ad may
// overlap the free capacity of dst.
//
// The only error is [ErrOpen]; the plaintext is nil then.
func (r *Ring) Open(dst, sealed, ad []byte) (plaintext []byte, current bool, err error) {
	if len(sealed) < Overhead || sealed[0] != version {
		return nil, false, ErrOpen
	}
	id := binary.BigEndian.Uint32(sealed[1:header])
	// Two keys of a ring share an id once in 2^32 pairs: too seldom to refuse the ring for it, too often to rely on it.
	// The id keeps a value of an unknown key from costing a decryption per key of the ring: anybody can send cookies.
	for i := range r.keys {
		if r.keys[i].id != id {
			continue
		}
		if plaintext, err := r.keys[i].aead.Open(dst, nil, sealed[header:], ad); err == nil {
			return plaintext, i == 0, nil
		}
	}
	return nil, false, ErrOpen
}

// knows reports whether a sealed value that begins like head could open at all.
func (r *Ring) knows(head []byte) bool {
	if head[0] != version {
		return false
	}
	id := binary.BigEndian.Uint32(head[1:header])
	return slices.ContainsFunc(r.keys, func(k key) bool { return k.id == id })
}

// redacted is all that is shown: a key in a log is as good as published, so no verb gets to the fields (ASVS 5.0,
// 16.2.5).
const redacted = "seal.Ring(redacted)"

// String returns a constant.
func (Ring) String() string { return redacted }

// GoString returns a constant.
func (Ring) GoString() string { return redacted }

// Format writes a constant, whatever the verb.
func (Ring) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }
