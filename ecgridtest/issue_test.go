package ecgridtest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestAnIssuedCredentialIsThatOfALogin(t *testing.T) {
	api := newAPI(alice, bob)
	c := api.Issue(alice.ID)
	assert.Equal(t, alice.ID, c.UserID)
	assert.Empty(t, c.APIKey)
	assert.Empty(t, c.RefreshToken)
	assert.Equal(t, c.ExpiresAt.Truncate(time.Millisecond), c.ExpiresAt, "no finer than an answer can say")
	got := call(t, api, "POST", sessionPath, bearer(c.Token), "")
	assert.Contains(t, string(got.Data), `"userId":1042`)
	assert.Contains(t, string(got.Data), `"expiresAt":"`+c.ExpiresAt.Format("2006-01-02T15:04:05.000Z")+`"`)
}

func TestIssueIsNoCall(t *testing.T) {
	api := newAPI(alice)
	api.Issue(alice.ID)
	assert.Empty(t, api.Calls(""))
}

func TestIssueForAnUnknownUserPanics(t *testing.T) {
	assert.PanicsWithValue(t, "ecgridtest: Issue(99): no user with this ID was added",
		func() { newAPI(alice).Issue(99) })
}
