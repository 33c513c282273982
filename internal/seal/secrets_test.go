package seal

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// assertAbsent fails the test if out has secret in it: raw, in the spellings in which bytes are printed, or its beginning.
func assertAbsent(t *testing.T, out string, secret []byte) {
	t.Helper()
	decimal := strings.Trim(fmt.Sprint(secret), "[]")
	lower := strings.ToLower(out)
	for _, spelling := range []string{
		string(secret),
		string(secret[:8]),
		base64.StdEncoding.EncodeToString(secret)[:8],
		base64.URLEncoding.EncodeToString(secret)[:8],
		hex.EncodeToString(secret)[:8],
		decimal[:16],
		strings.Trim(fmt.Sprintf("%#v", secret[:4]), "[]byte{}"),
	} {
		assert.NotContains(t, lower, strings.ToLower(spelling))
	}
}

var verbs = []string{"%v", "%+v", "%#v", "%q", "%s", "%x", "%X", "%d", "%b", "%o", "%U", "%c", "%t", "%e", "%p", "%T", "%w"}

func TestFaultsDoNotPrintTheKey(t *testing.T) {
	canary := []byte("canary-key-of-32-bytes-0123456789")[:32]
	_, err := NewRing([][]byte{canary, canary, canary[:31], append(bytes.Clone(canary), '!'), []byte(hex.EncodeToString(canary))}, "")
	require.Error(t, err)
	for _, verb := range verbs {
		assertAbsent(t, fmt.Sprintf(verb, err), canary)
	}
}

func TestARingPrintsRedactedInEveryVerb(t *testing.T) {
	canary := []byte("canary-key-of-32-bytes-0123456789")[:32]
	r, err := NewRing([][]byte{canary}, "test")
	require.NoError(t, err)
	for _, verb := range verbs {
		for _, v := range []any{r, *r} {
			out := fmt.Sprintf(verb, v)
			assertAbsent(t, out, canary)
			// Package fmt answers %T and %p itself, and %w outside Errorf without calling any method.
			if verb != "%T" && verb != "%p" && verb != "%w" {
				assert.Contains(t, out, "redacted", verb)
				assert.NotContains(t, out, "0x", verb)
			}
		}
	}
	assert.Equal(t, redacted, r.String())
	assert.Equal(t, redacted, r.GoString())
}

func TestARingInAnUnexportedFieldDoesNotPrintItsKeys(t *testing.T) {
	canary := []byte("canary-key-of-32-bytes-0123456789")[:32]
	r, err := NewRing([][]byte{canary}, "test")
	require.NoError(t, err)
	block, err := derive(canary, "test")
	require.NoError(t, err)
	holder := struct {
		ring    Ring
		pointer *Ring
		key     key
	}{*r, r, block}
	for _, verb := range verbs {
		assertAbsent(t, fmt.Sprintf(verb, holder), canary)
	}
}

func TestARingIsLoggedAndMarshalledWithoutItsKeys(t *testing.T) {
	canary := []byte("canary-key-of-32-bytes-0123456789")[:32]
	r, err := NewRing([][]byte{canary}, "test")
	require.NoError(t, err)
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("ring", "pointer", r, "value", *r)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("ring", "pointer", r, "value", *r)
	assertAbsent(t, log.String(), canary)
	//lint:ignore SA9005 that nothing of it is marshalled is what is tested
	out, err := json.Marshal(r)
	require.NoError(t, err)
	assertAbsent(t, string(out), canary)
}

func TestErrOpenSaysNothingOfTheValue(t *testing.T) {
	_, _, err := ring(t, 1).OpenText(nil, ring(t, 2).SealText(message, context), context)
	assert.True(t, errors.Is(err, ErrOpen))
	assert.Equal(t, "seal: the value does not open", err.Error())
}
