package seal

import (
	"bytes"
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestGoodKeysHaveNoFault(t *testing.T) {
	assert.Nil(t, Check([][]byte{testKey(1)}))
	assert.Nil(t, Check([][]byte{testKey(1), testKey(2), testKey(3)}))
}

func TestEveryFaultOfAKeyIsNamed(t *testing.T) {
	sample, err := base64.StdEncoding.DecodeString(SampleKeyBase64)
	require.NoError(t, err)
	good := testKey(1)
	for name, c := range map[string]struct {
		keys [][]byte
		want []string
	}{
		"none":        {nil, []string{"there are no keys: at least one of 32 random bytes is needed"}},
		"nil":         {[][]byte{nil}, []string{"keys[0] is 0 bytes long, not 32"}},
		"31 bytes":    {[][]byte{good[:31]}, []string{"keys[0] is 31 bytes long, not 32"}},
		"33 bytes":    {[][]byte{good, append(testKey(2), 7)}, []string{"keys[1] is 33 bytes long, not 32"}},
		"base64":      {[][]byte{[]byte(base64.StdEncoding.EncodeToString(good))}, []string{"keys[0] is 44 bytes long, not 32 (is it still in base64?)"}},
		"raw base64":  {[][]byte{[]byte(base64.RawStdEncoding.EncodeToString(good))}, []string{"keys[0] is 43 bytes long, not 32 (is it still in base64?)"}},
		"hex":         {[][]byte{append(testKey(2), good...)}, []string{"keys[0] is 64 bytes long, not 32 (is it still in hex?)"}},
		"all zero":    {[][]byte{make([]byte, 32)}, []string{"keys[0] is one byte repeated, not random"}},
		"all 0xff":    {[][]byte{good, bytes.Repeat([]byte{0xff}, 32)}, []string{"keys[1] is one byte repeated, not random"}},
		"sample":      {[][]byte{good, sample}, []string{"keys[1] is the sample from the README, which everyone can read"}},
		"twice":       {[][]byte{good, testKey(2), testKey(1)}, []string{"keys[2] is the same as keys[0]"}},
		"three times": {[][]byte{good, good, good}, []string{"keys[1] is the same as keys[0]", "keys[2] is the same as keys[0]"}},
		"several": {[][]byte{make([]byte, 16), good, sample, good}, []string{
			"keys[0] is 16 bytes long, not 32",
			"keys[0] is one byte repeated, not random",
			"keys[2] is the sample from the README, which everyone can read",
			"keys[3] is the same as keys[1]",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, err := range Check(c.keys) {
				got = append(got, err.Error())
			}
			assert.Equal(t, c.want, got)
		})
	}
}

func TestTheSampleKeyIsThirtyTwoBytes(t *testing.T) {
	sample, err := base64.StdEncoding.DecodeString(SampleKeyBase64)
	require.NoError(t, err)
	assert.Len(t, sample, KeySize)
}
