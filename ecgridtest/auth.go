package ecgridtest

import "net/http"

// The auth endpoints, as ECGrid documents them. Each takes the call's
// credential and body and returns a whole answer; the lock is held around it
// (handle), so it may read and change users and tokens as it likes.

// issued is the data of a login and of a refresh. The refresh token is left out
// where there is none, since only one of the vendor's pages knows of it.
type issued struct {
	Token        string `json:"token"`
	RefreshToken string `json:"refreshToken,omitempty"`
	ExpiresAt    string `json:"expiresAt"`
	UserID       int64  `json:"userId"`
}

// issued is the same for both, since a refresh is a login by other means.
func (s *session) issued() answer {
	return success(issued{
		Token:        s.token,
		RefreshToken: s.refreshToken,
		ExpiresAt:    s.expires.Format(timeFormat),
		UserID:       s.user.ID,
	})
}

// login takes either name of the field, as the vendor's pages have both, but
// not the two at once: nothing says which would count.
func (a *API) login(_ caller, body []byte) answer {
	var in struct{ Login, Email, Password string }
	if !decode(body, &in) {
		return invalidParameter("The body is not a JSON object of the documented form.")
	}
	if (in.Login == "") == (in.Email == "") || in.Password == "" {
		return invalidParameter("login (or email) and password are required.")
	}
	u, ok := a.byLogin[in.Login+in.Email] // one of them is empty
	if !ok || u.Password != in.Password {
		// The same answer for both, as anything else would tell which logins
		// exist. The code is a guess: none of the vendor's pages names one for
		// a wrong password.
		return failure(http.StatusUnauthorized, codeInvalidSession, "Invalid login or password.")
	}
	return a.mint(u).issued()
}

// refresh ends the old token before it makes the new one, whatever becomes of
// the answer: that is the trap that ECGrid sets for its callers, and DropAfter
// springs it.
func (a *API) refresh(_ caller, body []byte) answer {
	var in struct{ Token, RefreshToken string }
	if !decode(body, &in) {
		return invalidParameter("The body is not a JSON object of the documented form.")
	}
	if (in.Token == "") == (in.RefreshToken == "") {
		return invalidParameter("One of token and refreshToken is required.")
	}
	var old *session
	var ok bool
	// An expired token is refused, as the stricter reading of the documentation
	// has it.
	if in.Token != "" {
		old, ok = a.live(in.Token)
	} else {
		old, ok = a.byRefresh[in.RefreshToken]
	}
	if !ok {
		return unauthorized(kindBearer)
	}
	a.end(old)
	return a.mint(old.user).issued()
}

// logout ends the token that the header names. A key has no session to end, and
// goes on working: the answer is the same.
func (a *API) logout(c caller, _ []byte) answer {
	if c.session != nil {
		a.end(c.session)
	}
	// It is the one answer whose message is documented with a success.
	message := "Session terminated."
	return enveloped(http.StatusOK, envelope{Success: true, Message: &message})
}

// describeSession has null for the expiry of a key: it has none.
func (a *API) describeSession(c caller, _ []byte) answer {
	data := struct {
		UserID    int64  `json:"userId"`
		Login     string `json:"login"`
		NetworkID int    `json:"networkId"`
		MailboxID int    `json:"mailboxId"`
		AuthLevel string `json:"authLevel"`
		// ExpiresAt is null for a key.
		ExpiresAt *string `json:"expiresAt"`
	}{
		UserID:    c.user.ID,
		Login:     c.user.Login,
		NetworkID: c.user.NetworkID,
		MailboxID: c.user.MailboxID,
		AuthLevel: c.user.AuthLevel,
	}
	if c.session != nil {
		expires := c.session.expires.Format(timeFormat)
		data.ExpiresAt = &expires
	}
	return success(data)
}

// changePassword leaves all tokens alone, as ECGrid documents: who wants them
// gone calls reset.
func (a *API) changePassword(c caller, body []byte) answer {
	var in struct{ CurrentPassword, NewPassword string }
	if !decode(body, &in) {
		return invalidParameter("The body is not a JSON object of the documented form.")
	}
	if in.NewPassword == "" || in.CurrentPassword == "" || in.CurrentPassword != c.user.Password {
		// Not 401, which would say that the session has ended.
		return invalidParameter("currentPassword is wrong, or newPassword is empty.")
	}
	c.user.Password = in.NewPassword
	return success(nil)
}

// version needs no credential, so it is what a health check of an app asks.
func (a *API) version(caller, []byte) answer {
	return success(map[string]string{"version": "2.6"})
}
