package ecgridtest

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// A session is one token, and the refresh token that came with it. A refresh
// ends the session and begins another. It has no end of its own: a token that
// has expired stays in the maps until it is refreshed, logged out or reset, and
// live is what refuses it.
type session struct {
	user         *user
	token        string
	refreshToken string    // empty unless SetRefreshTokens was on
	expires      time.Time // of the token; the refresh token has no expiry of its own
}

// SetTokenTTL sets how long the tokens live that are issued from now on, down
// to milliseconds. 0 is the default of 15 minutes. With a negative ttl tokens
// have expired when they are issued.
func (a *API) SetTokenTTL(ttl time.Duration) {
	if ttl == 0 {
		ttl = defaultTokenTTL
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tokenTTL = ttl
}

// SetTokenSize sets the length, in bytes, of the tokens that are issued from
// now on. 0 is the default of 400. It panics if bytes is negative.
//
// A token is a JWT, and no JWT of this form has a length of 2 modulo 4: it is
// one byte shorter then. Nor can it be shorter than its claims: that is about
// 230 bytes and four thirds of the login.
//
// A call of the API takes a body of at most 1 MiB, so that a token over that
// size cannot be refreshed.
func (a *API) SetTokenSize(bytes int) {
	if bytes < 0 {
		panic(fmt.Sprintf("ecgridtest: SetTokenSize(%d): the size must not be negative", bytes))
	}
	if bytes == 0 {
		bytes = defaultTokenSize
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tokenSize = bytes
}

// SetRefreshTokens sets whether login and refresh answer with a refreshToken
// from now on, as one of the vendor's pages has it. It is off by default.
//
// A refresh token works once, also when the token it came with has expired; it
// ends with its session: by logout, reset, or a refresh with the token itself.
// The refresh call takes either of the two whatever is set here, in the default
// dialect. [DialectGuide] and [DialectSupport] always give refresh tokens.
func (a *API) SetRefreshTokens(on bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refreshTokens = on
}

// LiveTokens returns how many bearer tokens of a user ECGrid would still
// accept: issued, and neither expired nor ended. Refresh tokens and API keys do
// not count. It is 0 for a user who was never added.
func (a *API) LiveTokens(userID int64) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	u, ok := a.users[userID]
	if !ok {
		return 0
	}
	now := time.Now()
	live := 0
	for s := range u.sessions {
		if now.Before(s.expires) {
			live++
		}
	}
	return live
}

// live finds the session of a token that is still accepted. The lock is held.
func (a *API) live(token string) (*session, bool) {
	s, ok := a.byToken[token]
	if !ok || !time.Now().Before(s.expires) {
		return nil, false
	}
	return s, true
}

// mint begins a session. The lock is held.
func (a *API) mint(u *user) *session {
	now := time.Now()
	s := &session{
		user: u,
		// Cut to what the answer can say, so that ECGrid and its caller agree
		// on the moment.
		expires: now.Add(a.tokenTTL).UTC().Truncate(time.Millisecond),
	}
	s.token = a.sign(u, now, s.expires)
	a.byToken[s.token] = s
	if a.refreshTokens || a.dialect.refreshTokens() {
		s.refreshToken = base64.RawURLEncoding.EncodeToString(random(32))
		a.byRefresh[s.refreshToken] = s
	}
	u.sessions[s] = struct{}{}
	return s
}

// end makes a session's tokens worthless. The lock is held.
func (a *API) end(s *session) {
	delete(a.byToken, s.token)
	delete(a.byRefresh, s.refreshToken)
	delete(s.user.sessions, s)
}

// claims are what a JWT of the kind has (RFC 7519, 4.1), and Padding to bring
// it to its size.
type claims struct {
	Subject   string `json:"sub"`
	Login     string `json:"login"`
	IssuedAt  int64  `json:"iat"`
	ExpiresAt int64  `json:"exp"`
	ID        string `json:"jti"`
	Padding   string `json:"padding"`
}

// sign makes a JWT of the size that is set. The lock is held.
func (a *API) sign(u *user, now, expires time.Time) string {
	// The commonest one, so that what an app keeps of such a token is as long
	// as in production.
	const header = `{"alg":"HS256","typ":"JWT"}`
	enc := base64.RawURLEncoding
	c := claims{
		Subject:   strconv.FormatInt(u.ID, 10),
		Login:     u.Login,
		IssuedAt:  now.Unix(),
		ExpiresAt: expires.Unix(),
		// Two tokens of one user in one second would be the same without it.
		ID: hex.EncodeToString(random(16)),
	}
	rest := enc.EncodedLen(len(header)) + enc.EncodedLen(sha256.Size) + len("..")
	// Rounded down, and thus never longer than asked for.
	want := enc.DecodedLen(max(0, a.tokenSize-rest))
	if missing := want - len(marshal(c)); missing > 0 {
		// Random, since claims are: a run of one letter would flatter whatever
		// compresses the token.
		c.Padding = hex.EncodeToString(random(missing/2 + 1))[:missing]
	}
	signed := enc.EncodeToString([]byte(header)) + "." + enc.EncodeToString(marshal(c))
	mac := hmac.New(sha256.New, a.signKey)
	mac.Write([]byte(signed))
	return signed + "." + enc.EncodeToString(mac.Sum(nil))
}

// marshal is of fixed fields and cannot fail.
func marshal(c claims) []byte {
	b, err := json.Marshal(c)
	if err != nil {
		panic("ecgridtest: claims that are not JSON: " + err.Error())
	}
	return b
}

// random is from crypto/rand, so that no two tests, nor two runs of one, ever
// have a token in common.
func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return b
}
