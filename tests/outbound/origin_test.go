package outbound

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

func TestEverySpellingOfAnUpstreamIsOneOrigin(t *testing.T) {
	for want, spellings := range map[string][]string{
		"https://rest.ecgrid.io:443": {
			"", "https://rest.ecgrid.io", "https://rest.ecgrid.io/", "https://rest.ecgrid.io:443", "https://rest.ecgrid.io:443/",
			"HTTPS://REST.ECGrid.IO", "https://rest.ecgrid.io:", "https://rest.ecgrid.io//", "https://rest.ecgrid.io/.", "https://rest.ecgrid.io/a/..",
		},
		"https://rest.ecgrid.io:8443":       {"https://rest.ecgrid.io:8443"},
		"https://rest.ecgrid.io:443/api":    {"https://rest.ecgrid.io/api", "https://rest.ecgrid.io/api/", "https://rest.ecgrid.io/x/../api", "https://rest.ecgrid.io/%61pi"},
		"https://rest.ecgrid.io:443/API":    {"https://rest.ecgrid.io/API"},
		"http://127.0.0.1:80":               {"http://127.0.0.1", "http://127.0.0.1:80/"},
		"http://localhost:8080":             {"http://localhost:8080", "http://LOCALHOST:8080"},
		"http://::1:80":                     {"http://[::1]", "http://[::1]:80"},
		"http://127.8.9.10:80":              {"http://127.8.9.10"},
		"http://::ffff:127.0.0.1:80":        {"http://[::ffff:127.0.0.1]"},
		"https://192.0.2.7:443":             {"https://192.0.2.7"},
		"https://rest.ecgrid.io.:443":       {"https://rest.ecgrid.io."},
		"https://xn--bcher-kva.example:443": {"https://xn--bcher-kva.example"},
	} {
		for _, spelling := range spellings {
			m, err := ecgridsession.New(ecgridsession.Config{Upstream: spelling, Keys: [][]byte{site.NewKey(t)}})
			require.NoError(t, err, spelling)
			assert.Equal(t, "ecgridsession.Middleware("+want+")", fmt.Sprint(m), spelling)
		}
	}
}

func TestACookieOutlivesAnotherSpellingOfTheUpstream(t *testing.T) {
	s := site.New(t)
	cookie := s.CookieOf("bearer")
	for _, spelling := range []string{s.Grid.URL + "/", strings.ToUpper(s.Grid.URL), s.Grid.URL + "/."} {
		m := site.NewMiddleware(t, ecgridsession.Config{Upstream: spelling, Keys: [][]byte{s.Key}})
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Cookie", site.Sent(cookie))
		assert.True(t, site.Knows(m, r), spelling)
	}
}

func TestWhatIsNoUpstreamIsRefusedAndNotQuoted(t *testing.T) {
	for upstream, words := range map[string]string{
		"rest.ecgrid.io":                            "must be an absolute URL",
		"rest.ecgrid.io:443":                        "must be an absolute URL",
		"//rest.ecgrid.io":                          "must be https",
		"/v2":                                       "must be an absolute URL",
		"https:":                                    "must be an absolute URL",
		"https://":                                  "must be an absolute URL",
		"https:///v2":                               "must be an absolute URL",
		"https://:443":                              "must be an absolute URL",
		"https:rest.ecgrid.io":                      "must be an absolute URL",
		"https:/rest.ecgrid.io":                     "must be an absolute URL",
		" https://rest.ecgrid.io":                   "is not a URL",
		"https://rest.ecgrid.io ":                   "is not a URL",
		"https://rest.ecgrid.io\n":                  "is not a URL",
		"https://rest.ecgrid.io\x00":                "is not a URL",
		`https://rest.ecgrid.io\@evil.example`:      "is not a URL",
		"https://rest%2eecgrid.io":                  "is not a URL",
		"https://rest.ecgrid.io:https":              "is not a URL",
		"https://[::1":                              "is not a URL",
		"https://user:canarypw-0123@rest.ecgrid.io": "must not hold a user or a password",
		"https://canarypw-0123@rest.ecgrid.io":      "must not hold a user or a password",
		"https://@rest.ecgrid.io":                   "must not hold a user or a password",
		"https://rest.ecgrid.io/?a=b":               "must not have a query or a fragment",
		"https://rest.ecgrid.io?":                   "must not have a query or a fragment",
		"https://rest.ecgrid.io#top":                "must not have a query or a fragment",
		"ftp://rest.ecgrid.io":                      "must be https",
		"ws://rest.ecgrid.io":                       "must be https",
		"javascript://rest.ecgrid.io":               "must be https",
		"http://rest.ecgrid.io":                     "plain http is for loopback hosts only",
		"http://192.168.1.1":                        "plain http is for loopback hosts only",
		"http://0.0.0.0":                            "plain http is for loopback hosts only",
		"http://localhost.evil.example":             "plain http is for loopback hosts only",
		"http://127.0.0.1.evil.example":             "plain http is for loopback hosts only",
		"http://127.1":                              "plain http is for loopback hosts only",
		"http://2130706433":                         "plain http is for loopback hosts only",
		"http://0x7f000001":                         "plain http is for loopback hosts only",
		"http://localhost.":                         "plain http is for loopback hosts only",
		"http://[::]":                               "plain http is for loopback hosts only",
		"https://rest.ecgrid.io:0":                  "port",
		"https://rest.ecgrid.io:65536":              "port",
		"https://rest.ecgrid.io:99999999999999":     "port",
		"https://rest.ecgrid.io:0443":               "port",
		"https://re\u017ft.ecgrid.io":               "ASCII",
		"https://bücher.example":                    "ASCII",
		"https://b%C3%BCcher.example":               "ASCII",
		"https://rest.ecgrid.io\u3002evil.example":  "ASCII",
	} {
		m, err := ecgridsession.New(ecgridsession.Config{Upstream: upstream, Keys: [][]byte{site.NewKey(t)}})
		require.Error(t, err, upstream)
		assert.Nil(t, m)
		assert.ErrorContains(t, err, "ecgridsession: Config.Upstream: ", upstream)
		assert.ErrorContains(t, err, words, upstream)
		site.ShowsNothingOf(t, err.Error(), []byte("canarypw-0123"))
	}
}

func TestAHostThatOnlyFoldsToTheUpstreamsGetsNoCredential(t *testing.T) {
	m := site.NewMiddleware(t, ecgridsession.Config{Upstream: "https://rest.kgrid.example", Keys: [][]byte{site.NewKey(t)}})
	sends := 0
	client := &http.Client{Transport: m.Transport(site.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
		sends++
		return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody, Request: r}, nil
	}))}
	ctx := m.WithCredential(t.Context(), ecgridsession.Credential{Token: "canary-token-fW1"})
	for _, url := range []string{"https://re\u017ft.kgrid.example", "https://rest.\u212agrid.example"} {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		require.NoError(t, err)
		_, err = client.Do(r)
		assert.ErrorIs(t, err, ecgridsession.ErrOtherOrigin, url)

		r, err = http.NewRequestWithContext(ctx, http.MethodGet, "https://rest.kgrid.example", nil)
		require.NoError(t, err)
		r.Host = strings.TrimPrefix(url, "https://")
		_, err = client.Do(r)
		assert.ErrorIs(t, err, ecgridsession.ErrOtherOrigin, url)
	}
	assert.Zero(t, sends)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "HTTPS://REST.KGrid.Example:443", nil)
	require.NoError(t, err)
	_, err = client.Do(r)
	require.NoError(t, err)
	assert.Equal(t, 1, sends)
}
