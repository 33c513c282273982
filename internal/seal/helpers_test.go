package seal

import (
	"crypto/rand"
	"crypto/sha256"
	"testing"

	"github.com/stretchr/testify/require"
)

// testKey returns the nth of the keys that the tests share.
func testKey(n byte) []byte {
	k := sha256.Sum256([]byte{'k', n})
	return k[:]
}

// ring returns a ring of the test keys with the given numbers.
func ring(t testing.TB, numbers ...byte) *Ring {
	t.Helper()
	return ringFor(t, "test", numbers...)
}

func ringFor(t testing.TB, purpose string, numbers ...byte) *Ring {
	t.Helper()
	var keys [][]byte
	for _, n := range numbers {
		keys = append(keys, testKey(n))
	}
	r, err := NewRing(keys, purpose)
	require.NoError(t, err)
	return r
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

var (
	message = []byte("a message that is longer than one block of the cipher")
	context = []byte("additional data")
)

// requireClosed fails the test unless the value is refused as every other one is.
func requireClosed(t testing.TB, r *Ring, sealed, ad []byte) {
	t.Helper()
	plaintext, current, err := r.Open(nil, sealed, ad)
	require.Equal(t, ErrOpen, err)
	require.Nil(t, plaintext)
	require.False(t, current)
}

func requireTextClosed(t testing.TB, r *Ring, value string, ad []byte) {
	t.Helper()
	plaintext, current, err := r.OpenText(nil, value, ad)
	require.Equal(t, ErrOpen, err)
	require.Nil(t, plaintext)
	require.False(t, current)
}
