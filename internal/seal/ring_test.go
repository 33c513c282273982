package seal

import (
	"bytes"
	"crypto/cipher"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWhatIsSealedOpens(t *testing.T) {
	r := ring(t, 1)
	for _, size := range []int{0, 1, 15, 16, 17, 700, 100_000} {
		plaintext := randomBytes(size)
		opened, current, err := r.Open(nil, r.Seal(nil, plaintext, context), context)
		require.NoError(t, err)
		assert.True(t, current)
		assert.True(t, bytes.Equal(plaintext, opened), "%d bytes", size)
	}
}

func TestSealAddsExactlyTheOverhead(t *testing.T) {
	assert.Len(t, ring(t, 1).Seal(nil, message, context), len(message)+Overhead)
	assert.Equal(t, 33, Overhead)
}

func TestSealedTwiceIsTwoValues(t *testing.T) {
	r := ring(t, 1)
	a, b := r.Seal(nil, message, context), r.Seal(nil, message, context)
	assert.NotEqual(t, a[header:header+nonceSize], b[header:header+nonceSize])
	assert.NotEqual(t, a[header+nonceSize:], b[header+nonceSize:])
}

func TestASealedValueDoesNotShowItsPlaintext(t *testing.T) {
	assert.NotContains(t, string(ring(t, 1).Seal(nil, message, context)), "message")
}

func TestAFlippedBitDoesNotOpen(t *testing.T) {
	r := ring(t, 1, 2)
	sealed := r.Seal(nil, message, context)
	for i := range sealed {
		for bit := range 8 {
			sealed[i] ^= 1 << bit
			requireClosed(t, r, sealed, context)
			sealed[i] ^= 1 << bit
		}
	}
}

func TestAValueCutShortDoesNotOpen(t *testing.T) {
	r := ring(t, 1)
	sealed := r.Seal(nil, message, context)
	for n := range sealed {
		requireClosed(t, r, sealed[:n], context)
	}
}

func TestATrailingByteDoesNotOpen(t *testing.T) {
	r := ring(t, 1)
	requireClosed(t, r, append(r.Seal(nil, message, context), 0), context)
}

func TestNothingDoesNotOpen(t *testing.T) {
	requireClosed(t, ring(t, 1), nil, context)
	requireClosed(t, ring(t, 1), []byte{}, nil)
}

func TestOtherAdditionalDataDoesNotOpen(t *testing.T) {
	r := ring(t, 1)
	sealed := r.Seal(nil, message, context)
	for _, ad := range []string{"", "additional dat", "additional data ", "Additional data"} {
		requireClosed(t, r, sealed, []byte(ad))
	}
}

func TestAnotherRingDoesNotOpen(t *testing.T) {
	requireClosed(t, ring(t, 2, 3), ring(t, 1).Seal(nil, message, context), context)
}

func TestAnotherPurposeDoesNotOpen(t *testing.T) {
	cookie, ledger := ringFor(t, "cookie", 1), ringFor(t, "ledger", 1)
	sealed := cookie.Seal(nil, message, context)
	require.Equal(t, cookie.keys[0].id, ledger.keys[0].id, "the id must not be all that tells purposes apart")
	requireClosed(t, ledger, sealed, context)
}

func TestAnOlderKeyOpensButIsNotCurrent(t *testing.T) {
	sealed := ring(t, 1).Seal(nil, message, context)
	for _, r := range []*Ring{ring(t, 2, 1), ring(t, 2, 3, 1), ring(t, 2, 1, 3)} {
		plaintext, current, err := r.Open(nil, sealed, context)
		require.NoError(t, err)
		assert.Equal(t, message, plaintext)
		assert.False(t, current)
	}
}

func TestTheFirstKeySeals(t *testing.T) {
	sealed := ring(t, 2, 1).Seal(nil, message, context)
	_, current, err := ring(t, 2).Open(nil, sealed, context)
	require.NoError(t, err)
	assert.True(t, current)
}

func TestARemovedKeyDoesNotOpen(t *testing.T) {
	sealed := ring(t, 2, 1).Seal(nil, message, context)
	requireClosed(t, ring(t, 1), sealed, context)
}

func TestKeysWithTheSameIDAllOpen(t *testing.T) {
	// Finding two keys with one id takes too long for a test, so the ids are made the same.
	older, newer := ring(t, 1), ring(t, 2)
	older.keys[0].id = newer.keys[0].id
	both := ring(t, 2, 1, 3)
	both.keys[1].id = both.keys[0].id

	plaintext, current, err := both.Open(nil, older.Seal(nil, message, context), context)
	require.NoError(t, err)
	assert.Equal(t, message, plaintext)
	assert.False(t, current)

	plaintext, current, err = both.Open(nil, newer.Seal(nil, message, context), context)
	require.NoError(t, err)
	assert.Equal(t, message, plaintext)
	assert.True(t, current)
}

// countingAEAD counts how often it is asked to open.
type countingAEAD struct {
	cipher.AEAD
	opened int
}

func (c *countingAEAD) Open(dst, nonce, ciphertext, ad []byte) ([]byte, error) {
	c.opened++
	return c.AEAD.Open(dst, nonce, ciphertext, ad)
}

func TestAnUnknownKeyCostsNoDecryption(t *testing.T) {
	r := ring(t, 1)
	counter := &countingAEAD{AEAD: r.keys[0].aead}
	r.keys[0].aead = counter
	other := ring(t, 2)
	requireClosed(t, r, other.Seal(nil, message, context), context)
	requireTextClosed(t, r, other.SealText(message, context), context)
	assert.Zero(t, counter.opened)
}

func TestAnotherVersionCostsNoDecryption(t *testing.T) {
	r := ring(t, 1)
	counter := &countingAEAD{AEAD: r.keys[0].aead}
	r.keys[0].aead = counter
	sealed := r.Seal(nil, message, context)
	for _, v := range []byte{0, 2, 255} {
		sealed[0] = v
		requireClosed(t, r, sealed, context)
	}
	assert.Zero(t, counter.opened)
}

func TestSealAndOpenAppend(t *testing.T) {
	r := ring(t, 1)
	sealed := r.Seal([]byte("before"), message, context)
	require.Equal(t, "before", string(sealed[:6]))
	plaintext, _, err := r.Open([]byte("start "), sealed[6:], context)
	require.NoError(t, err)
	assert.Equal(t, "start "+string(message), string(plaintext))
}

func TestSealAndOpenLeaveTheirInputAlone(t *testing.T) {
	r := ring(t, 1, 2)
	plaintext, ad := bytes.Clone(message), bytes.Clone(context)
	sealed := r.Seal(nil, plaintext, ad)
	before := bytes.Clone(sealed)
	_, _, err := r.Open(nil, sealed, ad)
	require.NoError(t, err)
	assert.Equal(t, message, plaintext)
	assert.Equal(t, context, ad)
	assert.Equal(t, before, sealed)
}

func TestTheRingDoesNotKeepTheCallersKeys(t *testing.T) {
	k := testKey(1)
	r, err := NewRing([][]byte{k}, "test")
	require.NoError(t, err)
	clear(k)
	_, _, err = r.Open(nil, ring(t, 1).Seal(nil, message, context), context)
	require.NoError(t, err)
}

func TestARingWithoutAPurposeIsRefused(t *testing.T) {
	r, err := NewRing([][]byte{testKey(1)}, "")
	assert.EqualError(t, err, "seal: the purpose is empty")
	assert.Nil(t, r)
}

func TestARingOfFaultyKeysIsRefusedWithEveryFault(t *testing.T) {
	r, err := NewRing([][]byte{testKey(1), make([]byte, 31), testKey(1)}, "")
	require.Nil(t, r)
	for _, fault := range []string{"keys[1] is 31", "keys[1] is one byte", "keys[2] is the same as keys[0]", "purpose"} {
		assert.ErrorContains(t, err, fault)
	}
}

func TestTheZeroRingOpensNothing(t *testing.T) {
	requireClosed(t, new(Ring), ring(t, 1).Seal(nil, message, context), context)
	requireTextClosed(t, new(Ring), ring(t, 1).SealText(message, context), context)
}

func TestARingIsSafeForConcurrentUse(t *testing.T) {
	r := ring(t, 1, 2)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			plaintext := bytes.Repeat([]byte{byte(g)}, 100)
			for range 100 {
				opened, _, err := r.OpenText(nil, r.SealText(plaintext, context), context)
				assert.NoError(t, err)
				assert.Equal(t, plaintext, opened)
			}
		})
	}
	wg.Wait()
}

// TestTheFormatStaysAsItIs holds a value that an earlier build sealed: if it stops opening, so do the cookies of everyone
// who is signed in while the new build is rolled out.
func TestTheFormatStaysAsItIs(t *testing.T) {
	const value = "AXQsBZCouvSZEgMX9H5aBouwdDiAzNCek4Vqh6hcwZeEx9BQcvdkNahWW_YZzbJQdqEJvksaGRrZMRRkgmWYs13iTfzhGVQ6GMA5EzgvpO0XeSJoT5k"
	plaintext, current, err := ring(t, 1).OpenText(nil, value, context)
	require.NoError(t, err)
	assert.True(t, current)
	assert.Equal(t, message, plaintext)
}
