package cookie

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gorilla/sessions"
	"github.com/stretchr/testify/assert"
)

func TestAStoreDoesNotSeeTheAppsRegistry(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	apps := sessions.GetRegistry(r)
	own, done := asked(r)
	defer done()
	assert.NotSame(t, apps, sessions.GetRegistry(own), "the app could have changed our session there")
	assert.Same(t, sessions.GetRegistry(own), sessions.GetRegistry(own))
	assert.Same(t, apps, sessions.GetRegistry(r), "the app's own stays as it is")
}
