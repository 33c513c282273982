package seal

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sealedByUs holds values that the first two test keys sealed, and what is in them. They are fixed because the processes of
// a fuzzing run share a corpus.
var sealedByUs = map[string]string{
	"AXQsBZDMh_NmCZgKYvoNQnQcwQ3FnkV_1Ry6JUpdBr68":                                                                        "",
	"AUL2gZxF2-JGpCpcXc7PxfHBUgVSL6C0DWsiM6EkTkNj":                                                                        "",
	"AXQsBZAlsZ8xcS0mGQ9e0glYS5s-2YigK3HsKaRN0gCMLg":                                                                      "x",
	"AUL2gZzYrqpYfZWye2USAoDc1Gu7DvjCqdgd47qyb8grBQ":                                                                      "x",
	"AXQsBZD65dDQ-DXh-BmKDRqTP5gmKCLGkDvYaQLon0SkFYCNneGDfzFeD50w4yu3jWhd6q8ZwRBzJpisJjN3Zd-nnsRJgCclGRYIYf9bRaidK3fg7OM": string(message),
	"AUL2gZxPG8MqerwgtCaHH1xU1omlpEbySEeu_P_O9x2oWafCf3qUBtb_iD2DKp7crSVJL-BrdbI8nNTDC44_BuclrGyRiPnwzw2zjK_gwxMDkAMKT-w": string(message),
}

// FuzzOpenText brings arbitrary values. Whatever opens must be one of those that we sealed, to the letter.
func FuzzOpenText(f *testing.F) {
	r := ring(f, 1, 2)
	for value := range sealedByUs {
		f.Add(value)
		f.Add(value + "\n")
	}
	f.Add(ring(f, 3).SealText(message, context))
	f.Add("")
	f.Add("AQAAAAA")
	f.Fuzz(func(t *testing.T, value string) {
		plaintext, _, err := r.OpenText(nil, value, context)
		want, ours := sealedByUs[value]
		if !ours {
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
