package docs

import (
	"fmt"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
)

// Some of the values are declared in internal packages, where a reader of the
// documentation cannot look.
func TestTheDocumentationShowsTheTextOfEachError(t *testing.T) {
	t.Chdir("..") // here and not in TestMain: go test would not notice changes of the files
	for name, err := range map[string]error{
		"ErrNoSession":             ecgridsession.ErrNoSession,
		"ErrSessionTooLarge":       ecgridsession.ErrSessionTooLarge,
		"ErrSessionEnded":          ecgridsession.ErrSessionEnded,
		"ErrLedgerUnavailable":     ecgridsession.ErrLedgerUnavailable,
		"ErrCrossOrigin":           ecgridsession.ErrCrossOrigin,
		"ErrOtherOrigin":           ecgridsession.ErrOtherOrigin,
		"ErrConflictingCredential": ecgridsession.ErrConflictingCredential,
		"ErrLogoutUnconfirmed":     ecgridsession.ErrLogoutUnconfirmed,
	} {
		shown, failed := exec.Command("go", "doc", ".", name).Output()
		require.NoError(t, failed)
		assert.Contains(t, string(shown), fmt.Sprintf("%q", err.Error()), name)
	}
}
