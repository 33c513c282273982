package docs

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"testing"

	"github.com/gorilla/sessions"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/internal/seal"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../README.md")
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

func TestTheSizesInTheREADMEAreThoseOfBothCookies(t *testing.T) {
	row := regexp.MustCompile(`(\d+) bytes for a token of 700.*signed but readable, (\d+) bytes`).FindStringSubmatch(readme(t))
	require.NotNil(t, row)
	s := site.New(t)
	s.Grid.SetTokenSize(700)
	ours := s.Browser().SignIn().Cookie()
	token := s.Grid.Issue(site.Demo.ID).Token
	require.Len(t, token, 700)
	w := httptest.NewRecorder()
	session := sessions.NewSession(sessions.NewCookieStore(site.NewKey(t)), ours.Name)
	session.Options = &sessions.Options{Path: "/"}
	session.Values["token"] = token
	require.NoError(t, session.Save(httptest.NewRequest(http.MethodPost, "/login", nil), w))
	gorillas := w.Result().Cookies()[0]
	for said, cookie := range map[string]*http.Cookie{row[1]: ours, row[2]: gorillas} {
		assert.Equal(t, said, strconv.Itoa(len(cookie.Name)+len("=")+len(cookie.Value)))
	}
	assert.Regexp(t, `^[A-Za-z0-9_-]+=*$`, gorillas.Value)
	plain, err := base64.URLEncoding.DecodeString(gorillas.Value)
	require.NoError(t, err)
	assert.Regexp(t, `^\d+\|`, string(plain), "gorilla's is readable by whoever decodes it")
}
