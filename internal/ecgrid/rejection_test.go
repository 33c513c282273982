package ecgrid_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/internal/ecgrid"
)

func gzipped(t *testing.T, s string) string {
	t.Helper()
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	_, err := io.WriteString(zw, s)
	require.NoError(t, err)
	require.NoError(t, zw.Close())
	return b.String()
}

func response(status int, body io.Reader, encoding string) (*http.Response, *closing) {
	c := &closing{Reader: body}
	h := http.Header{}
	if encoding != "" {
		h.Set("Content-Encoding", encoding)
	}
	return &http.Response{StatusCode: status, Header: h, Body: c, ContentLength: -1}, c
}

func TestARejectionIsAnEnveloped401AboutTheCredential(t *testing.T) {
	long := `{"success":false,"errorCode":"InvalidSession","message":"` + strings.Repeat("m", 1<<20) + `"}`
	short := long[:60] + long[1<<20-64<<10+150:]
	require.Less(t, len(short), 64<<10)
	for name, c := range map[string]struct {
		status   int
		body     string
		encoding string
		want     bool
	}{
		"InvalidSession":         {401, noSession, "", true},
		"InvalidAPIKey":          {401, noKey, "", true},
		"nearly 64 KiB":          {401, short, "", true},
		"gzip":                   {401, gzipped(t, noSession), "gzip", true},
		"GZIP":                   {401, gzipped(t, noSession), " GZIP ", true},
		"x-gzip":                 {401, gzipped(t, noKey), "x-gzip", true},
		"identity":               {401, noKey, "identity", true},
		"over 64 KiB":            {401, long, "", false},
		"over 64 KiB in spaces":  {401, noSession + strings.Repeat(" ", 64<<10), "", false},
		"gzip over 64 KiB":       {401, gzipped(t, long), "gzip", false},
		"gzip one byte over":     {401, gzipped(t, noSession+strings.Repeat(" ", 64<<10+1-len(noSession))), "gzip", false},
		"gzip of 64 KiB":         {401, gzipped(t, noSession+strings.Repeat(" ", 64<<10-len(noSession))), "gzip", true},
		"gzip bomb":              {401, gzipped(t, strings.Repeat(" ", 16<<20)+noSession), "gzip", false},
		"gzip cut short":         {401, gzipped(t, noSession)[:40], "gzip", false},
		"gzip with a tail":       {401, gzipped(t, noSession) + "x", "gzip", false},
		"gzip that is none":      {401, noSession, "gzip", false},
		"gzip twice":             {401, gzipped(t, gzipped(t, noSession)), "gzip, gzip", false},
		"gzip unsaid":            {401, gzipped(t, noSession), "", false},
		"another encoding":       {401, noSession, "br", false},
		"AccessDenied":           {401, notAllowed, "", false},
		"unknown code":           {401, `{"success":false,"errorCode":"Other"}`, "", false},
		"success true":           {401, `{"success":true,"errorCode":"InvalidSession"}`, "", false},
		"no success":             {401, `{"errorCode":"InvalidSession"}`, "", false},
		"success twice":          {401, `{"success":false,"success":false,"errorCode":"InvalidSession"}`, "", false},
		"trailing bytes":         {401, noSession + "x", "", false},
		"HTML":                   {401, "<html>InvalidSession</html>", "", false},
		"empty":                  {401, "", "", false},
		"403":                    {403, noSession, "", false},
		"200":                    {200, noSession, "", false},
		"500":                    {500, noSession, "", false},
		"429 with InvalidAPIKey": {429, noKey, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			resp, original := response(c.status, iotest.OneByteReader(strings.NewReader(c.body)), c.encoding)
			assert.Equal(t, c.want, ecgrid.Rejection(resp))
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			assert.True(t, c.body == string(body), "the caller still reads the body whole")
			assert.Zero(t, original.closed)
			require.NoError(t, resp.Body.Close())
			assert.Equal(t, 1, original.closed)
		})
	}
}

func TestAResponseWithAnotherStatusIsLeftAsItIs(t *testing.T) {
	resp, original := response(403, iotest.ErrReader(errors.New("touched")), "")
	assert.False(t, ecgrid.Rejection(resp))
	assert.Same(t, original, resp.Body)
}

func TestABodyDeclaredTooLongIsNotRead(t *testing.T) {
	resp, original := response(401, iotest.ErrReader(errors.New("touched")), "")
	resp.ContentLength = 64<<10 + 1
	assert.False(t, ecgrid.Rejection(resp))
	assert.Same(t, original, resp.Body)
}

func TestNoResponseAndNoBodyAreNoRejection(t *testing.T) {
	assert.False(t, ecgrid.Rejection(nil))
	assert.False(t, ecgrid.Rejection(&http.Response{StatusCode: 401}))
}

// once fails once and then claims a proper end.
type once struct {
	err  error
	read bool
}

func (o *once) Read([]byte) (int, error) {
	if o.read {
		return 0, io.EOF
	}
	o.read = true
	return 0, o.err
}

func TestABodyThatFailsIsNoRejectionAndFailsForTheCallerAtTheSamePlace(t *testing.T) {
	broken := errors.New("broken")
	resp, original := response(401, io.MultiReader(strings.NewReader(noSession), &once{err: broken}), "")
	assert.False(t, ecgrid.Rejection(resp))
	body, err := io.ReadAll(resp.Body)
	require.ErrorIs(t, err, broken)
	assert.Equal(t, noSession, string(body))
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, 1, original.closed)
}

func TestAGzippedBodyIsInflatedWithinTheBoundOnly(t *testing.T) {
	bomb := gzipped(t, strings.Repeat(" ", 16<<20))
	require.Less(t, len(bomb), 64<<10)
	resp, _ := response(401, strings.NewReader(bomb), "gzip")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	assert.False(t, ecgrid.Rejection(resp))
	runtime.ReadMemStats(&after)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4<<20))
}

// endless counts what is read of it.
type endless struct{ n int64 }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	e.n += int64(len(p))
	return len(p), nil
}

func TestNoMoreThanTheBoundOfABodyIsReadAhead(t *testing.T) {
	var e endless
	resp, _ := response(401, &e, "")
	assert.False(t, ecgrid.Rejection(resp))
	assert.LessOrEqual(t, e.n, int64(64<<10+1))
	var next [100]byte
	for range 2000 { // past what was read ahead
		_, err := io.ReadFull(resp.Body, next[:])
		require.NoError(t, err)
	}
	assert.Greater(t, e.n, int64(64<<10+1))
}

// stalling gives its text and then nothing until it is closed.
type stalling struct {
	io.Reader
	closed chan struct{}
}

func (s *stalling) Read(p []byte) (int, error) {
	if n, err := s.Reader.Read(p); err == nil {
		return n, nil
	}
	<-s.closed
	return 0, errors.New("closed")
}

func (s *stalling) Close() error {
	close(s.closed)
	return nil
}

func TestABodyThatStallsHoldsTheCallForABoundedTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body := &stalling{strings.NewReader(noSession), make(chan struct{})}
		began := time.Now()
		resp := &http.Response{StatusCode: 401, Header: http.Header{}, Body: body, ContentLength: -1}
		assert.False(t, ecgrid.Rejection(resp), "half a verdict is none")
		assert.Less(t, time.Since(began), 10*time.Second)
		got := make([]byte, len(noSession))
		_, err := io.ReadFull(resp.Body, got)
		require.NoError(t, err)
		assert.Equal(t, noSession, string(got), "what has come is the caller's at once")
		go func() { _, err = resp.Body.Read(got) }()
		synctest.Wait()
		require.NoError(t, resp.Body.Close())
		synctest.Wait() // the bubble fails for a goroutine that is left
		assert.Error(t, err)
	})
}

func TestABodyThatIsSlowIsReadWholeByTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		long := strings.Repeat("x", 100<<10)
		go func() {
			for i := range 10 {
				time.Sleep(time.Second)
				_, _ = io.WriteString(w, long[i*10<<10:(i+1)*10<<10])
			}
			_ = w.Close()
		}()
		resp := &http.Response{StatusCode: 401, Header: http.Header{}, Body: r, ContentLength: -1}
		assert.False(t, ecgrid.Rejection(resp))
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		assert.True(t, long == string(body))
	})
}

func TestABodyThatPanicsFailsForTheCaller(t *testing.T) {
	resp := &http.Response{StatusCode: 401, Header: http.Header{}, Body: panicking{"Read"}, ContentLength: -1}
	assert.False(t, ecgrid.Rejection(resp))
	_, err := resp.Body.Read(make([]byte, 1))
	assert.Error(t, err)
}
