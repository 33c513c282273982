package seal

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
)

// KeySize is how many random bytes a key is. AES-256 takes as many, and HKDF makes as many of them for each purpose.
const KeySize = 32

// SampleKeyBase64 is the key that the README prints, in standard base64. It is here to be refused: a key that anyone can
// read protects nothing, and samples get copied.
const SampleKeyBase64 = "ZWNncmlkc2Vzc2lvbiBSRUFETUUgc2FtcGxlIGtleSE="

// Check returns every fault of keys: none at all, one that is not exactly [KeySize] bytes long, one whose bytes are all
// equal, the README's sample, the same key twice. Each error names the key by its index and tells nothing of it but its
// length. Without a fault, Check returns nil. Nothing else is asked of a key: whether its bytes are random cannot be
// seen, and only what is certainly none of it is refused. That the same key is not there twice matters for rotation,
// where the old one would be thought gone.
func Check(keys [][]byte) []error {
	if len(keys) == 0 {
		return []error{errors.New("there are no keys: at least one of 32 random bytes is needed")}
	}
	sample, err := base64.StdEncoding.DecodeString(SampleKeyBase64)
	if err != nil {
		return []error{errors.New("the sample key is not base64")}
	}
	var faults []error
	// Go on after the first fault: an operator mends them in one go.
	for i, k := range keys {
		if n := len(k); n != KeySize {
			faults = append(faults, fmt.Errorf("keys[%d] is %d bytes long, not %d%s", i, n, KeySize, hint(n)))
		}
		// All zero is the commonest: a key that was declared and never read from anywhere.
		if len(k) > 1 && bytes.Count(k, k[:1]) == len(k) {
			faults = append(faults, fmt.Errorf("keys[%d] is one byte repeated, not random", i))
		}
		if bytes.Equal(k, sample) {
			faults = append(faults, fmt.Errorf("keys[%d] is the sample from the README, which everyone can read", i))
		}
		// With the first of its equals alone, so that three of a kind make two faults and not three.
		for j, earlier := range keys[:i] {
			if bytes.Equal(k, earlier) {
				faults = append(faults, fmt.Errorf("keys[%d] is the same as keys[%d]", i, j))
				break
			}
		}
	}
	return faults
}

// hint names the likeliest reason for a key of n bytes: that it is still the text in which it was configured. It is the
// mistake that is made most: a key of 44 characters would be good for nothing but an error that nobody understands.
func hint(n int) string {
	switch n {
	case base64.RawStdEncoding.EncodedLen(KeySize), base64.StdEncoding.EncodedLen(KeySize):
		return " (is it still in base64?)"
	case 2 * KeySize:
		return " (is it still in hex?)"
	}
	return ""
}
