package ecgridsession_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
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

func TestTheProgramOfTheREADMECompiles(t *testing.T) {
	programs := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(readme(t), -1)
	require.NotEmpty(t, programs)
	root, err := os.Getwd()
	require.NoError(t, err)
	for i, program := range programs {
		source := filepath.Join(t.TempDir(), "main.go")
		require.NoError(t, os.WriteFile(source, []byte(program[1]), 0o600))
		// Laid over the checkout as one more of its packages, which takes no
		// module of its own and no network.
		name := fmt.Sprintf("readme%d", i)
		overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root, name, "main.go"): source}})
		require.NoError(t, err)
		overlaid := filepath.Join(t.TempDir(), "overlay.json")
		require.NoError(t, os.WriteFile(overlaid, overlay, 0o600))
		output, err := exec.Command("go", "build", "-buildvcs=false", "-o", os.DevNull, "-overlay="+overlaid, "./"+name).CombinedOutput()
		assert.NoError(t, err, "%s", output)
		formatted, err := exec.Command("gofmt", "-l", source).CombinedOutput()
		require.NoError(t, err)
		assert.Empty(t, string(formatted), "the program is not formatted")
	}
}

func TestTheKeyInTheREADMEIsTheOneThatNewRefuses(t *testing.T) {
	keys := regexp.MustCompile(`[A-Za-z0-9+/]{43}=`).FindAllString(readme(t), -1)
	require.Equal(t, []string{seal.SampleKeyBase64}, keys)
	key, err := base64.StdEncoding.DecodeString(keys[0])
	require.NoError(t, err)
	_, err = ecgridsession.New(ecgridsession.Config{Keys: [][]byte{key}})
	assert.ErrorContains(t, err, "README")
}

func TestTheLinksOfTheREADMELeadSomewhere(t *testing.T) {
	links := regexp.MustCompile(`\]\(([^)]+)\)`).FindAllStringSubmatch(readme(t), -1)
	require.NotEmpty(t, links)
	for _, link := range links {
		if !strings.HasPrefix(link[1], "https://") {
			assert.FileExists(t, link[1])
		}
	}
}
