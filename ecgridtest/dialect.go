package ecgridtest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
)

// A Dialect is how the fake speaks where the vendor's pages disagree. An app that
// works with all of them is ready for any.
type Dialect int

const (
	// DialectEndpoints is the vendor's endpoint pages: login takes login and
	// password, and answers token, expiresAt and userId; refresh takes token. It
	// is the default, and also takes the login as email or username, and a
	// refreshToken if [API.SetRefreshTokens] is on.
	DialectEndpoints Dialect = iota

	// DialectGuide is the guide: login takes email and password; login and
	// refresh answer token, refreshToken and expiresAt, and no userId; refresh
	// takes refreshToken alone.
	DialectGuide

	// DialectSupport is the support page: login takes username and password;
	// login and refresh answer token, refreshToken, expiresAt and userId; refresh
	// takes refreshToken alone.
	DialectSupport

	// DialectSamples is the code samples of July 2026: login takes apiKey, and no
	// password; login and refresh answer sessionKey alone; refresh takes token.
	// Errors are problem details (RFC 9457) in place of the envelope, and a 401
	// about a bearer token has the challenge Bearer error="invalid_token".
	DialectSamples
)

// SetDialect sets how the API answers from now on. Tokens that it has issued stay
// as they are. It panics if d is none of the constants.
func (a *API) SetDialect(d Dialect) {
	if d < DialectEndpoints || d > DialectSamples {
		panic(fmt.Sprintf("ecgridtest: SetDialect(%d): there is no such dialect", d))
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dialect = d
}

func (a *API) currentDialect() Dialect {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.dialect
}

// refreshTokens reports whether every login brings a refresh token, which is then
// the only way to refresh.
func (d Dialect) refreshTokens() bool { return d == DialectGuide || d == DialectSupport }

// loginName is the name in a login, or what is wrong with it.
func (d Dialect) loginName(login, email, username, apiKey string) (name, problem string) {
	switch d {
	case DialectGuide:
		name, problem = email, "email and password are required."
	case DialectSupport:
		name, problem = username, "username and password are required."
	case DialectSamples:
		name, problem = apiKey, "apiKey is required."
	default:
		// One of them, as nothing says which of two would count.
		for _, given := range []string{login, email, username} {
			if given == "" {
				continue
			}
			if name != "" {
				return "", "One of login, email and username is required."
			}
			name = given
		}
		problem = "login (or email, or username) and password are required."
	}
	if name != "" {
		problem = ""
	}
	return name, problem
}

// issued is the answer to a login, and to a refresh.
func (d Dialect) issued(s *session) answer {
	if d == DialectSamples {
		return success(issued{SessionKey: s.token})
	}
	data := issued{
		Token:        s.token,
		RefreshToken: s.refreshToken,
		ExpiresAt:    s.expires.Format(timeFormat),
		UserID:       s.user.ID,
	}
	if d == DialectGuide {
		data.UserID = 0
	}
	return success(data)
}

// worded puts a failure into the dialect's words. Any other answer stays as it is.
func (d Dialect) worded(ans answer) answer {
	if d != DialectSamples || ans.message == "" {
		return ans
	}
	body, err := json.Marshal(struct {
		Type    string `json:"type"`
		Title   string `json:"title"`
		Status  int    `json:"status"`
		Detail  string `json:"detail"`
		TraceID string `json:"traceId"`
	}{"about:blank", http.StatusText(ans.status), ans.status, ans.message, fmt.Sprintf("%x", random(16))})
	if err != nil {
		panic("ecgridtest: problem details that are not JSON: " + err.Error())
	}
	ans.body = body
	ans.header = maps.Clone(ans.header)
	ans.header["Content-Type"] = []string{"application/problem+json"}
	if ans.denies {
		ans.header["Www-Authenticate"] = []string{`Bearer error="invalid_token"`}
	}
	return ans
}
