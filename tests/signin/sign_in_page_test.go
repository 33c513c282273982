package signin

import (
	"net/http"
	"net/url"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

func TestTheFocusIsOnWhatHasToBeTypedNext(t *testing.T) {
	focused := regexp.MustCompile(`<input id="(\w+)"[^>]* autofocus`)
	s := site.New(t)
	for _, c := range []struct {
		name string
		page site.Answer
		want string
	}{
		{"first visit", s.Browser().Get("/login"), "login"},
		{"wrong password", s.Browser().Post("/login", url.Values{"login": {site.Demo.Login}, "password": {"wrong"}}), "password"},
		{"no login", s.Browser().Post("/login", url.Values{"password": {"wrong"}}), "login"},
		{"wrong key", s.Browser().Post("/login", url.Values{"api_key": {"wrong"}}), "api_key"},
	} {
		found := focused.FindAllStringSubmatch(c.page.Text, -1)
		if assert.Len(t, found, 1, c.name) {
			assert.Equal(t, c.want, found[0][1], c.name)
		}
	}
}

func TestTheTitleOfASignInThatFailedSaysSo(t *testing.T) {
	s := site.New(t)
	assert.Contains(t, s.Browser().Get("/login").Text, "<title>Sign in</title>")
	failed := s.Browser().Post("/login", url.Values{"login": {site.Demo.Login}, "password": {"wrong"}})
	assert.Equal(t, http.StatusUnauthorized, failed.StatusCode)
	assert.Contains(t, failed.Text, "<title>Error: Sign in</title>")
}

func TestDuringAnOutageTheFormStaysForAnotherTry(t *testing.T) {
	s := site.New(t)
	s.Grid.Inject(ecgridtest.Fault{Path: "/v2/auth/login", Status: http.StatusServiceUnavailable})
	got := s.Browser().Post("/login", url.Values{"login": {site.Demo.Login}, "password": {site.Demo.Password}}, site.Click...)

	assert.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
	assert.NotEmpty(t, got.Header.Get("Retry-After"))
	assert.Contains(t, got.Text, "not possible at the moment")
	assert.Contains(t, got.Text, `value="demo"`)
	assert.NotContains(t, got.Text, `aria-invalid="true"`, "what the user typed is not the reason")
	assert.NotContains(t, got.Text, site.Demo.Password)
}
