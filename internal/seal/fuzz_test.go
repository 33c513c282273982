package seal

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// FuzzOpenText brings arbitrary values. None of them can open but one that was sealed with a test key: those are in the
// corpus, and whatever opens must be one of them to the letter.
func FuzzOpenText(f *testing.F) {
	r := ring(f, 1, 2)
	ours := map[string]string{}
	for _, plaintext := range []string{"", "x", string(message)} {
		for _, sealer := range []*Ring{r, ring(f, 2)} {
			value := sealer.SealText([]byte(plaintext), context)
			ours[value] = plaintext
			f.Add(value)
		}
		f.Add(ring(f, 3).SealText([]byte(plaintext), context))
	}
	f.Add("")
	f.Add("AQAAAAA")
	f.Fuzz(func(t *testing.T, value string) {
		plaintext, _, err := r.OpenText(nil, value, context)
		want, sealedByUs := ours[value]
		if !sealedByUs {
			require.Equal(t, ErrOpen, err)
			require.Nil(t, plaintext)
			return
		}
		require.NoError(t, err)
		assert.Equal(t, want, string(plaintext))
	})
}

// FuzzTamper flips one bit of a good value at a place of the fuzzer's choice.
func FuzzTamper(f *testing.F) {
	f.Add([]byte("plaintext"), []byte("ad"), uint16(0), byte(0))
	f.Fuzz(func(t *testing.T, plaintext, ad []byte, at uint16, bit byte) {
		r := ring(t, 1, 2)
		sealed := r.Seal(nil, plaintext, ad)
		opened, current, err := r.Open(nil, sealed, ad)
		require.NoError(t, err)
		require.True(t, current)
		require.Equal(t, string(plaintext), string(opened))
		sealed[int(at)%len(sealed)] ^= 1 << (bit % 8)
		requireClosed(t, r, sealed, ad)
	})
}
