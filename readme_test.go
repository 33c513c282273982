package ecgridsession_test

import (
	"encoding/base64"
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/internal/seal"
)

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	return string(text)
}

func TestTheKeyInTheREADMEIsTheOneThatNewRefuses(t *testing.T) {
	keys := regexp.MustCompile(`[A-Za-z0-9+/]{43}=`).FindAllString(readme(t), -1)
	require.Equal(t, []string{seal.SampleKeyBase64}, keys)
	key, err := base64.StdEncoding.DecodeString(keys[0])
	require.NoError(t, err)
	_, err = ecgridsession.New(ecgridsession.Config{Keys: [][]byte{key}})
	assert.ErrorContains(t, err, "README")
}
