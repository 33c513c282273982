package seal

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWhatIsSealedAsTextOpens(t *testing.T) {
	r := ring(t, 1)
	for size := range 100 {
		plaintext := randomBytes(size)
		value := r.SealText(plaintext, context)
		require.Len(t, value, TextLen(size))
		opened, current, err := r.OpenText(nil, value, context)
		require.NoError(t, err)
		assert.True(t, current)
		assert.True(t, bytes.Equal(plaintext, opened))
	}
}

func TestTextIsTheSealedBytesInBase64URL(t *testing.T) {
	r := ring(t, 1)
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(r.SealText(message, context))
	require.NoError(t, err)
	plaintext, _, err := r.Open(nil, sealed, context)
	require.NoError(t, err)
	assert.Equal(t, message, plaintext)
}

func TestAnyOtherCharacterOfTheTextDoesNotOpen(t *testing.T) {
	r := ring(t, 1)
	for _, size := range []int{30, 31, 32} { // text lengths of every remainder
		value := r.SealText(message[:size], context)
		for i := range value {
			for c := range 256 {
				if other := value[:i] + string([]byte{byte(c)}) + value[i+1:]; other != value {
					requireTextClosed(t, r, other, context)
				}
			}
		}
	}
}

func TestTextCutShortDoesNotOpen(t *testing.T) {
	r := ring(t, 1)
	value := r.SealText(message, context)
	for n := range value {
		requireTextClosed(t, r, value[:n], context)
	}
}

func TestAnotherSpellingOfTheSameTextDoesNotOpen(t *testing.T) {
	r := ring(t, 1)
	for _, size := range []int{30, 31, 32} {
		value := r.SealText(message[:size], context)
		spellings := map[string]string{
			"one =":          value + "=",
			"two =":          value + "==",
			"quotes":         `"` + value + `"`,
			"leading space":  " " + value,
			"trailing space": value + " ",
			"trailing dot":   value + ".",
			"NUL":            value + "\x00",
			"escape":         "%" + value,
			"trailing A":     value + "A",
			"trailing AA":    value + "AA",
			"trailing AAAA":  value + "AAAA",
			"twice":          value + value,
		}
		for _, i := range []int{0, 1, 7, 8, 9, 20, len(value) / 2, len(value) - 1, len(value)} {
			spellings["CR at "+string(rune('0'+i))] = value[:i] + "\r" + value[i:]
			spellings["LF at "+string(rune('0'+i))] = value[:i] + "\n" + value[i:]
			spellings["CRLF at "+string(rune('0'+i))] = value[:i] + "\r\n" + value[i:]
		}
		for name, s := range spellings {
			t.Run(name, func(t *testing.T) { requireTextClosed(t, r, s, context) })
		}
	}
}

func TestTheStandardAlphabetDoesNotOpen(t *testing.T) {
	r := ring(t, 1)
	for range 50 { // until the value has a character that differs
		value := r.SealText(message, context)
		other := strings.NewReplacer("-", "+", "_", "/").Replace(value)
		if other != value {
			requireTextClosed(t, r, other, context)
			return
		}
	}
	t.Fatal("no value with '-' or '_' came up")
}

// alphabet is that of base64url (RFC 4648, table 2).
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

func TestSpareBitsOfTheLastCharacterDoNotOpen(t *testing.T) {
	r := ring(t, 1)
	for _, size := range []int{31, 32} { // 64 and 65 bytes: four and two bits to spare
		value := r.SealText(message[:size], context)
		require.NotZero(t, len(value)%4)
		last := strings.IndexByte(alphabet, value[len(value)-1])
		other := value[:len(value)-1] + string(alphabet[last|1])
		lenient, err := base64.RawURLEncoding.DecodeString(other)
		require.NoError(t, err)
		_, _, err = r.Open(nil, lenient, context)
		require.NoError(t, err, "the other spelling must stand for the same bytes, or this test shows nothing")
		requireTextClosed(t, r, other, context)
	}
}

func TestAnOlderKeyOpensTextButIsNotCurrent(t *testing.T) {
	plaintext, current, err := ring(t, 2, 1).OpenText(nil, ring(t, 1).SealText(message, context), context)
	require.NoError(t, err)
	assert.Equal(t, message, plaintext)
	assert.False(t, current)
}

func TestOpenTextAppends(t *testing.T) {
	r := ring(t, 1)
	value := r.SealText(message, context)
	for _, room := range []int{0, 10, len(message), 2 * len(value), 1000} {
		dst := append(make([]byte, 0, 6+room), "start "...)
		plaintext, _, err := r.OpenText(dst, value, context)
		require.NoError(t, err)
		assert.Equal(t, "start "+string(message), string(plaintext))
	}
}

func TestOpenTextKeepsWhatDstHoldsWhenItFails(t *testing.T) {
	r := ring(t, 1)
	value := []byte(r.SealText(message, context))
	value[len(value)-5] ^= 1
	dst := append(make([]byte, 0, 1000), "start"...)
	_, _, err := r.OpenText(dst, string(value), context)
	require.Error(t, err)
	assert.Equal(t, "start", string(dst))
}

func TestSealTextAllocatesTwice(t *testing.T) {
	r := ring(t, 1)
	assert.EqualValues(t, 2, testing.AllocsPerRun(100, func() { r.SealText(message, context) }))
}

func TestOpenTextAllocatesOnce(t *testing.T) {
	for _, size := range []int{0, 1, 700, 2048} {
		r := ring(t, 1, 2)
		value := r.SealText(randomBytes(size), context)
		assert.EqualValues(t, 1, testing.AllocsPerRun(100, func() { _, _, _ = r.OpenText(nil, value, context) }))
	}
}

func TestOpenTextIntoABufferOfTwiceTheLengthDoesNotAllocate(t *testing.T) {
	for _, size := range []int{0, 1, 700, 2048} {
		r := ring(t, 1, 2)
		value := r.SealText(randomBytes(size), context)
		buf := make([]byte, 0, 2*len(value))
		assert.Zero(t, testing.AllocsPerRun(100, func() { _, _, _ = r.OpenText(buf, value, context) }))
	}
}

func TestTextOfAnUnknownKeyIsRefusedWithoutAllocating(t *testing.T) {
	r, value := ring(t, 1), ring(t, 2).SealText(randomBytes(1<<20), context)
	assert.Zero(t, testing.AllocsPerRun(100, func() { _, _, _ = r.OpenText(nil, value, context) }))
}

func TestOpeningIntoAReusedBufferLeavesNoTraceOfTheLastValueInTheResult(t *testing.T) {
	r := ring(t, 1)
	buf := make([]byte, 0, 1000)
	_, _, err := r.OpenText(buf, r.SealText(randomBytes(200), context), context)
	require.NoError(t, err)
	plaintext, _, err := r.OpenText(buf, r.SealText(message, context), context)
	require.NoError(t, err)
	assert.Equal(t, message, plaintext)
}
