package site

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// The search itself must find what it is for.
func TestTheSearchForSecretsFindsThem(t *testing.T) {
	const secret = "canary-secret-0123456789"
	for _, hidden := range []string{
		secret, "x" + secret[:8] + "y", hex.EncodeToString([]byte("a" + secret)), fmt.Sprintf("%X", secret), fmt.Sprintf("% x", secret),
		fmt.Sprint([]byte(secret)), fmt.Sprintf("%q", secret),
		base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte("a" + secret)),
		base64.URLEncoding.EncodeToString([]byte("ab" + secret)), base64.StdEncoding.EncodeToString([]byte("abc" + secret)),
	} {
		found := false
		for _, trace := range traces(secret) {
			found = found || strings.Contains("before "+hidden+" after", trace)
		}
		assert.True(t, found, hidden)
	}
}
