package subject

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/binary"
	"errors"

	"github.com/gorilla/securecookie"
)

var errSerializer = errors.New("subject: not what the compact serializer writes")

// compact is a securecookie.Serializer for sessions whose keys and values are
// strings, such as one with a token: each with its length in front. Anybody who
// finds gob slow can write it in an hour.
type compact struct{}

var _ securecookie.Serializer = compact{}

// Serialize implements securecookie.Serializer.
func (compact) Serialize(src any) ([]byte, error) {
	values, ok := src.(map[any]any)
	if !ok {
		return nil, errSerializer
	}
	size := 0
	for key, value := range values {
		k, keyed := key.(string)
		v, valued := value.(string)
		if !keyed || !valued {
			return nil, errSerializer
		}
		size += len(k) + len(v) + 2*binary.MaxVarintLen16
	}
	out := make([]byte, 0, size)
	for key, value := range values {
		for _, text := range [2]string{key.(string), value.(string)} {
			out = binary.AppendUvarint(out, uint64(len(text)))
			out = append(out, text...)
		}
	}
	return out, nil
}

// Deserialize implements securecookie.Serializer.
func (compact) Deserialize(src []byte, dst any) error {
	into, ok := dst.(*map[any]any)
	if !ok {
		return errSerializer
	}
	if *into == nil {
		*into = make(map[any]any)
	}
	for len(src) > 0 {
		var texts [2]string
		for i := range texts {
			n, used := binary.Uvarint(src)
			if used <= 0 || n > uint64(len(src)-used) {
				return errSerializer
			}
			src = src[used:]
			texts[i], src = string(src[:n]), src[n:]
		}
		(*into)[texts[0]] = texts[1]
	}
	return nil
}

// sealing is a securecookie.Codec that seals what compact writes with AES-GCM:
// the most that can be done inside of gorilla's CookieStore.
type sealing struct{ aead cipher.AEAD }

var _ securecookie.Codec = sealing{}

func newSealing(key []byte) (sealing, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return sealing{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return sealing{aead}, err
}

// Encode implements securecookie.Codec.
func (s sealing) Encode(name string, value any) (string, error) {
	plain, err := compact{}.Serialize(value)
	if err != nil {
		return "", err
	}
	sealed := s.aead.Seal(nil, nil, plain, []byte(name))
	return base64.RawURLEncoding.EncodeToString(sealed), nil
}

// Decode implements securecookie.Codec.
func (s sealing) Decode(name, value string, dst any) error {
	sealed, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil {
		return err
	}
	plain, err := s.aead.Open(nil, nil, sealed, []byte(name))
	if err != nil {
		return err
	}
	return compact{}.Deserialize(plain, dst)
}
