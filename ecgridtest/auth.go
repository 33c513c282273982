package ecgridtest

import "net/http"

// The auth endpoints, as ECGrid documents them. Each takes the call's
// credential and body and returns a whole answer; the lock is held around it
// (handle), so it may read and change users and tokens as it likes.

// issued is the data of a login and of a refresh. What a dialect does not have is left out.
type issued struct {
	Token        string `json:"token,omitempty"`
	SessionKey   string `json:"sessionKey,omitempty"`
	RefreshToken string `json:"refreshToken,omitempty"`
	ExpiresAt    string `json:"expiresAt,omitempty"`
	UserID       int64  `json:"userId,omitempty"`
}

// login takes the user's name as the dialect calls it, and the password but for
// the one dialect that signs in by a key alone.
func (a *API) login(_ caller, body []byte) answer {
	var in struct{ Login, Email, Username, APIKey, Password string }
	if !decode(body, &in) {
		return invalidParameter("The body is not a JSON object of the documented form.")
	}
	name, problem := a.dialect.loginName(in.Login, in.Email, in.Username, in.APIKey)
	if problem == "" && in.Password == "" && a.dialect != DialectSamples {
		problem = "A password is required."
	}
	if problem != "" {
		return invalidParameter(problem)
	}
	var u *user
	if a.dialect == DialectSamples {
		u = a.byKey[name]
	} else if u = a.byLogin[name]; u != nil && u.Password != in.Password {
		u = nil
	}
	if u == nil {
		// The same answer for both, as anything else would tell which logins
		// exist. The code is a guess: none of the vendor's pages names one for
		// a wrong password.
		return failure(http.StatusUnauthorized, codeInvalidSession, "Invalid login or password.")
	}
	return a.dialect.issued(a.mint(u))
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
	if in.Token != "" && a.dialect.refreshTokens() {
		return invalidParameter("refreshToken is required.")
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
	return a.dialect.issued(a.mint(old.user))
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
