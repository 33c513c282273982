package subject

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// Kind is how a bearer token is written.
type Kind string

const (
	// JWT is a JSON Web Token with claims as ECGrid's have, and random padding.
	JWT Kind = "JWT"
	// Opaque is a random string in base64url.
	Opaque Kind = "opaque"
	// OpaqueAny is a random string in all letters that RFC 6750, section 2.1,
	// lets a bearer token have: no part of it stands for fewer bytes.
	OpaqueAny Kind = "opaque, any letter"
)

// Token says what token a session has.
type Token struct {
	Kind Kind
	// Size is the length in bytes. A JWT may be a byte shorter, and is never
	// shorter than its claims, about 230 bytes.
	Size int
}

// String is what tables call it.
func (t Token) String() string { return fmt.Sprintf("%s, %d", t.Kind, t.Size) }

const (
	base64url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	anyLetter = base64url + ".~+/"
)

// letters is a random string of n letters of an alphabet.
func letters(alphabet string, n int) string {
	text := make([]byte, 0, n)
	random := make([]byte, 4*n)
	for len(text) < n {
		rand.Read(random) // never fails
		for _, b := range random {
			// Below the largest multiple of the alphabet's length each letter
			// is as likely as any other.
			if int(b) < 256/len(alphabet)*len(alphabet) && len(text) < n {
				text = append(text, alphabet[int(b)%len(alphabet)])
			}
		}
	}
	return string(text)
}

// The user who signs in.
var user = ecgridtest.User{ID: 4711, Login: "demo", Password: "demo"}

// day is how long tokens and sessions live here: nothing comes to its end, or
// is due to be set anew, while a run goes on.
const day = 24 * time.Hour

// grid is ECGrid within this process.
type grid struct{ api *ecgridtest.API }

// newGrid is an ECGrid whose login gives such a token.
func newGrid(token Token) (grid, error) {
	api := ecgridtest.NewAPI()
	api.AddUser(user)
	api.SetTokenTTL(day)
	if token.Kind == JWT {
		api.SetTokenSize(token.Size)
		return grid{api}, nil
	}
	// The size of one letter short of a base64url byte would not be a token of
	// whole bytes: 4 letters are 3 bytes, so 1 letter alone stands for none.
	if token.Kind == Opaque && token.Size%4 == 1 {
		return grid{}, fmt.Errorf("subject: no base64url has %d letters", token.Size)
	}
	var text string
	switch token.Kind {
	case Opaque:
		text = letters(base64url, token.Size)
		if rest := token.Size % 4; rest > 0 {
			text = text[:len(text)-1] + "A" // the bits to spare are zero
		}
	case OpaqueAny:
		text = letters(anyLetter, token.Size)
	default:
		return grid{}, fmt.Errorf("subject: no such token: %q", token.Kind)
	}
	answer, err := json.Marshal(map[string]any{
		"success": true, "errorCode": "", "message": "",
		"data": map[string]any{
			"token": text, "userId": user.ID, "expiresAt": time.Now().UTC().Add(day).Format(time.RFC3339),
		},
	})
	if err != nil {
		return grid{}, err
	}
	api.Inject(ecgridtest.Fault{Path: "/v2/auth/login", Body: string(answer)})
	return grid{api}, nil
}

// RoundTrip implements http.RoundTripper.
func (g grid) RoundTrip(req *http.Request) (*http.Response, error) {
	body := []byte(nil)
	if req.Body != nil {
		defer req.Body.Close()
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
	}
	in := req.Clone(req.Context())
	in.Body = io.NopCloser(bytes.NewReader(body))
	w := httptest.NewRecorder()
	g.api.ServeHTTP(w, in)
	return w.Result(), nil
}

// NewKeys are n keys of 32 random bytes.
func NewKeys(n int) [][]byte {
	keys := make([][]byte, n)
	for i := range keys {
		keys[i] = make([]byte, 32)
		rand.Read(keys[i]) // never fails
	}
	return keys
}

// newMiddleware is ours as an app has it: MemoryLedger, limits and all.
func newMiddleware(keys [][]byte, calls http.RoundTripper) (*ecgridsession.Middleware, error) {
	return ecgridsession.New(ecgridsession.Config{
		Keys:          keys,
		CookieName:    CookieName,
		IdleTimeout:   day,
		Lifetime:      day,
		BaseTransport: calls,
		Logger:        slog.New(slog.DiscardHandler),
	})
}

// SignedIn is what a browser and an app have after a sign-in.
type SignedIn struct {
	Middleware *ecgridsession.Middleware
	Token      string
	Cookie     *http.Cookie // ours
}

// SignIn signs the user in through a Middleware with those keys.
func SignIn(keys [][]byte, token Token) (SignedIn, error) {
	calls, err := newGrid(token)
	if err != nil {
		return SignedIn{}, err
	}
	m, err := newMiddleware(keys, calls)
	if err != nil {
		return SignedIn{}, err
	}
	in := SignedIn{Middleware: m}
	w := httptest.NewRecorder()
	m.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err = m.Login(w, r, user.Login, user.Password); err != nil {
			return
		}
		var credential ecgridsession.Credential
		credential, err = m.Credential(r.Context())
		in.Token = credential.Token
	})).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "https://app.example/login", nil))
	if err != nil {
		return SignedIn{}, err
	}
	in.Cookie, err = onlyCookie(w)
	return in, err
}

// onlyCookie is the one that an answer set.
func onlyCookie(w *httptest.ResponseRecorder) (*http.Cookie, error) {
	cookies := w.Result().Cookies()
	if len(cookies) != 1 || cookies[0].Value == "" {
		return nil, errors.New("subject: the answer did not set one cookie")
	}
	return cookies[0], nil
}

// length is that of a cookie's name and value together, by which browsers judge.
func length(c *http.Cookie) int { return len(c.Name) + len(c.Value) }

// pair is a cookie as a browser sends it.
func pair(c *http.Cookie) string { return c.Name + "=" + c.Value }
