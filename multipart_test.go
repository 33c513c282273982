package ecgridsession_test

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
)

func TestAnUploadedFileIsRemovedFromTheDiskAfterTheRequestAsWithoutUs(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	t.Setenv("TMP", dir) // on Windows
	m, err := ecgridsession.New(ecgridsession.Config{Keys: [][]byte{randomKey(t)}})
	require.NoError(t, err)
	onDisk := func() int {
		files, err := os.ReadDir(os.TempDir())
		require.NoError(t, err)
		return len(files)
	}
	app := httptest.NewServer(m.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		assert.NoError(t, r.ParseMultipartForm(1))
		assert.Equal(t, 1, onDisk(), "the file was too large for memory")
	})))
	defer app.Close()

	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", "report.edi")
	require.NoError(t, err)
	part.Write(make([]byte, 11<<20)) // 10 MiB of each form stay in memory
	require.NoError(t, form.Close())
	resp, err := http.Post(app.URL, form.FormDataContentType(), &body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode)
	assert.Eventually(t, func() bool { return onDisk() == 0 }, 10*time.Second, 5*time.Millisecond)
}
