package ecgridtest_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

func TestAddUserPanicsOnAUserThatNoTestCanMean(t *testing.T) {
	for name, c := range map[string]struct {
		user    ecgridtest.User
		message string
	}{
		"no ID":                 {ecgridtest.User{Login: "x"}, "the ID must be over 0"},
		"negative ID":           {ecgridtest.User{ID: -1, Login: "x"}, "the ID must be over 0"},
		"ID taken":              {ecgridtest.User{ID: alice.ID, Login: "x"}, "a user with this ID was added before"},
		"neither login nor key": {ecgridtest.User{ID: 1, Password: "x"}, "a user needs a Login or an APIKey"},
		"login taken":           {ecgridtest.User{ID: 1, Login: alice.Login}, "a user with this Login was added before"},
		"key taken":             {ecgridtest.User{ID: 1, APIKey: alice.APIKey}, "a user with this APIKey was added before"},
		"key with a space":      {ecgridtest.User{ID: 1, APIKey: "a b"}, "the APIKey may have visible ASCII characters only"},
		"key with a line break": {ecgridtest.User{ID: 1, APIKey: "a\r\nb"}, "the APIKey may have visible ASCII characters only"},
		"key not ASCII":         {ecgridtest.User{ID: 1, APIKey: "schlüssel"}, "the APIKey may have visible ASCII characters only"},
		"unknown authLevel":     {ecgridtest.User{ID: 1, Login: "x", AuthLevel: "root"}, `ECGrid has no AuthLevel "root"`},
		"negative network":      {ecgridtest.User{ID: 1, Login: "x", NetworkID: -1}, "NetworkID and MailboxID must not be negative"},
		"negative mailbox":      {ecgridtest.User{ID: 1, Login: "x", MailboxID: -1}, "NetworkID and MailboxID must not be negative"},
	} {
		t.Run(name, func(t *testing.T) {
			api := newAPI(alice)
			assert.PanicsWithValue(t,
				fmt.Sprintf("ecgridtest: AddUser(ID %d, Login %q): %s", c.user.ID, c.user.Login, c.message),
				func() { api.AddUser(c.user) })
		})
	}
}

func TestARefusedAddUserShowsNeitherPasswordNorKey(t *testing.T) {
	api := newAPI(alice)
	defer func() {
		message := fmt.Sprint(recover())
		assert.NotContains(t, message, alice.Password)
		assert.NotContains(t, message, alice.APIKey)
	}()
	api.AddUser(alice)
}

func TestUsersWithoutLoginDoNotCollide(t *testing.T) {
	api := newAPI(ecgridtest.User{ID: 1, APIKey: "one"}, ecgridtest.User{ID: 2, APIKey: "two"},
		ecgridtest.User{ID: 3, Login: "three"}, ecgridtest.User{ID: 4, Login: "four"})
	assert.True(t, works(api, apiKey("one")))
	assert.True(t, works(api, apiKey("two")))
}

func TestAResetEndsAllSessionsOfThatUserAndNoOther(t *testing.T) {
	api := newAPI(alice, bob)
	first, second, admin := api.Issue(alice.ID), api.Issue(alice.ID), api.Issue(bob.ID)
	got := call(t, api, http.MethodPost, "/v2/users/reset/1042", bearer(admin.Token), "")
	require.Equal(t, http.StatusOK, got.Status)
	assert.Equal(t, "true", string(got.Data))
	assert.False(t, works(api, bearer(first.Token)))
	assert.False(t, works(api, bearer(second.Token)))
	assert.True(t, works(api, bearer(admin.Token)))
}

func TestAResetLeavesTheAPIKey(t *testing.T) {
	api := newAPI(alice, bob)
	require.Equal(t, http.StatusOK, status(api, http.MethodPost, "/v2/users/reset/1042", bearer(api.Issue(bob.ID).Token), ""))
	assert.True(t, works(api, apiKey(alice.APIKey)))
}

func TestAResetOfOneselfEndsTheTokenThatAskedForIt(t *testing.T) {
	api := newAPI(bob)
	own := api.Issue(bob.ID)
	require.Equal(t, http.StatusOK, status(api, http.MethodPost, "/v2/users/reset/2077", bearer(own.Token), ""))
	assert.False(t, works(api, bearer(own.Token)))
}

func TestOnlyAdministratorsMayReset(t *testing.T) {
	for level, want := range map[string]int{
		"Root": 200, "TechOps": 200, "NetOps": 200, "NetworkAdmin": 200, "MailboxAdmin": 200,
		"NoChange": 403, "NetworkUser": 403, "MailboxUser": 403, "TPUser": 403, "General": 403, "": 403,
	} {
		t.Run(level, func(t *testing.T) {
			carol := ecgridtest.User{ID: 3, Login: "carol", AuthLevel: level}
			api := newAPI(alice, carol)
			token := api.Issue(carol.ID).Token
			for _, id := range []int64{alice.ID, carol.ID} { // oneself last: it ends the token
				got := call(t, api, http.MethodPost, fmt.Sprintf("/v2/users/reset/%d", id), bearer(token), "")
				assert.Equal(t, want, got.Status)
				if want == 403 {
					assert.Equal(t, "AccessDenied", got.code())
				}
			}
			assert.Equal(t, want == 403, works(api, bearer(token)))
		})
	}
}

func TestAResetOfNobodyIsRefused(t *testing.T) {
	for id, want := range map[string]struct {
		status int
		code   string
	}{
		"99":                   {404, "ObjectNotFound"},
		"-1":                   {404, "ObjectNotFound"},
		"alice":                {400, "InvalidParameter"},
		"99999999999999999999": {400, "InvalidParameter"},
	} {
		t.Run(id, func(t *testing.T) {
			api := newAPI(bob)
			got := call(t, api, http.MethodPost, "/v2/users/reset/"+id, bearer(api.Issue(bob.ID).Token), "")
			assert.Equal(t, want.status, got.Status)
			assert.Equal(t, want.code, got.code())
		})
	}
}

func TestWhoMayNotResetDoesNotLearnWhichUsersExist(t *testing.T) {
	api := newAPI(alice)
	known := call(t, api, http.MethodPost, "/v2/users/reset/1042", apiKey(alice.APIKey), "")
	unknown := call(t, api, http.MethodPost, "/v2/users/reset/99", apiKey(alice.APIKey), "")
	assert.Equal(t, known.Body, unknown.Body)
}
