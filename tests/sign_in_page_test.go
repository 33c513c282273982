package tests

import (
	"net/http"
	"net/url"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

func TestTheFocusIsOnWhatHasToBeTypedNext(t *testing.T) {
	focused := regexp.MustCompile(`<input id="(\w+)"[^>]* autofocus`)
	s := newSite(t)
	for _, c := range []struct {
		name string
		page answer
		want string
	}{
		{"first visit", s.browser().get("/login"), "login"},
		{"wrong password", s.browser().post("/login", url.Values{"login": {demo.Login}, "password": {"wrong"}}), "password"},
		{"no login", s.browser().post("/login", url.Values{"password": {"wrong"}}), "login"},
		{"wrong key", s.browser().post("/login", url.Values{"api_key": {"wrong"}}), "api_key"},
	} {
		found := focused.FindAllStringSubmatch(c.page.body, -1)
		if assert.Len(t, found, 1, c.name) {
			assert.Equal(t, c.want, found[0][1], c.name)
		}
	}
}

func TestTheTitleOfASignInThatFailedSaysSo(t *testing.T) {
	s := newSite(t)
	assert.Contains(t, s.browser().get("/login").body, "<title>Sign in</title>")
	failed := s.browser().post("/login", url.Values{"login": {demo.Login}, "password": {"wrong"}})
	assert.Equal(t, http.StatusUnauthorized, failed.StatusCode)
	assert.Contains(t, failed.body, "<title>Error: Sign in</title>")
}

func TestDuringAnOutageTheFormStaysForAnotherTry(t *testing.T) {
	s := newSite(t)
	s.grid.Inject(ecgridtest.Fault{Path: "/v2/auth/login", Status: http.StatusServiceUnavailable})
	got := s.browser().post("/login", url.Values{"login": {demo.Login}, "password": {demo.Password}}, click...)

	assert.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
	assert.NotEmpty(t, got.Header.Get("Retry-After"))
	assert.Contains(t, got.body, "not possible at the moment")
	assert.Contains(t, got.body, `value="demo"`)
	assert.NotContains(t, got.body, `aria-invalid="true"`, "what the user typed is not the reason")
	assert.NotContains(t, got.body, demo.Password)
}
