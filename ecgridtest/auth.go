package ecgridtest

import "net/http"

// issued is the data of a login and of a refresh.
type issued struct {
	Token        string `json:"token"`
	RefreshToken string `json:"refreshToken,omitempty"`
	ExpiresAt    string `json:"expiresAt"`
	UserID       int64  `json:"userId"`
}

func (s *session) issued() answer {
	return success(issued{
		Token:        s.token,
		RefreshToken: s.refreshToken,
		ExpiresAt:    s.expires.Format(timeFormat),
		UserID:       s.user.ID,
	})
}

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
		// exist.
		return failure(http.StatusUnauthorized, codeInvalidSession, "Invalid login or password.")
	}
	return a.mint(u).issued()
}

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

func (a *API) logout(c caller, _ []byte) answer {
	if c.session != nil {
		a.end(c.session)
	}
	message := "Session terminated."
	return enveloped(http.StatusOK, envelope{Success: true, Message: &message})
}

func (a *API) describeSession(c caller, _ []byte) answer {
	data := struct {
		UserID    int64   `json:"userId"`
		Login     string  `json:"login"`
		NetworkID int     `json:"networkId"`
		MailboxID int     `json:"mailboxId"`
		AuthLevel string  `json:"authLevel"`
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

func (a *API) version(caller, []byte) answer {
	return success(map[string]string{"version": "2.6"})
}
