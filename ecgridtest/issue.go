package ecgridtest

import (
	"fmt"

	"github.com/ecgrid-contrib/ecgridsession"
)

// Issue returns a fresh bearer token for a user, as login would have given it,
// without a password and without a call in the log. Token, ExpiresAt and UserID
// are set, and RefreshToken if [API.SetRefreshTokens] is on or the dialect has one.
//
// It panics if no user with this ID was added.
func (a *API) Issue(userID int64) ecgridsession.Credential {
	a.mu.Lock()
	defer a.mu.Unlock()
	u, ok := a.users[userID]
	if !ok {
		panic(fmt.Sprintf("ecgridtest: Issue(%d): no user with this ID was added", userID))
	}
	// By the same way as login, so that no test can get a token that no user
	// could have.
	s := a.mint(u)
	return ecgridsession.Credential{
		Token:        s.token,
		RefreshToken: s.refreshToken,
		ExpiresAt:    s.expires,
		UserID:       u.ID,
	}
}
