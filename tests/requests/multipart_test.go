package requests

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

func TestAnUploadedFileIsRemovedFromTheDiskAfterTheRequestAsWithoutUs(t *testing.T) {
	removesAnUpload(t, http.StatusOK, func() {})
}

func TestAnUploadedFileIsRemovedFromTheDiskAfterAPanicThatTheAppRecoversFrom(t *testing.T) {
	removesAnUpload(t, http.StatusInternalServerError, func() { panic("broken") })
}

// removesAnUpload holds an app to leaving nothing on the disk of an upload whose
// handler does so and so when it has parsed the form.
func removesAnUpload(t *testing.T, status int, then func()) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	t.Setenv("TMP", dir) // on Windows
	m, err := ecgridsession.New(ecgridsession.Config{Keys: [][]byte{site.NewKey(t)}})
	require.NoError(t, err)
	onDisk := func() int {
		files, err := os.ReadDir(os.TempDir())
		require.NoError(t, err)
		return len(files)
	}
	handler := m.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		assert.NoError(t, r.ParseMultipartForm(1))
		assert.Equal(t, 1, onDisk(), "the file was too large for memory")
		then()
	}))
	app := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if recover() != nil {
				w.WriteHeader(http.StatusInternalServerError)
			}
		}()
		handler.ServeHTTP(w, r)
	}))
	app.Config.ErrorLog = site.ErrorLog(t)
	app.Start()
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
	require.Equal(t, status, resp.StatusCode)
	assert.Eventually(t, func() bool { return onDisk() == 0 }, 10*time.Second, 5*time.Millisecond)
}

// An audit that goes on beside the answer has the request, or gin's copy of its
// context, from before Wrap.
func TestARequestMayBeReadByOthersWhileItIsServed(t *testing.T) {
	s := site.New(t)
	var readers sync.WaitGroup
	defer readers.Wait()
	for _, cookie := range []string{"", site.Sent(s.CookieOf("bearer"))} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Cookie", cookie)
		readers.Go(func() { r.Clone(t.Context()) }) // the race detector sees it beside a write
		s.Middleware.Wrap(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), r)
	}
}
