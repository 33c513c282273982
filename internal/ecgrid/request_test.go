package ecgrid_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/internal/ecgrid"
)

// sent records what a client sends, and refuses it.
type sent struct {
	calls  int
	method string
	url    string
	header http.Header
	length int64
	body   string
}

func (s *sent) RoundTrip(r *http.Request) (*http.Response, error) {
	s.calls++
	s.method, s.url, s.header, s.length = r.Method, r.URL.String(), r.Header.Clone(), r.ContentLength
	if r.Body != nil {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		s.body = string(b)
	}
	return &http.Response{StatusCode: 500, Header: http.Header{}, Body: http.NoBody}, nil
}

func TestEachCallSendsWhatItsEndpointTakes(t *testing.T) {
	key := ecgrid.Auth{APIKey: "some-key"}
	withBody := http.Header{"Accept": {"application/json"}, "Content-Type": {"application/json"}}
	asBearer := http.Header{"Accept": {"application/json"}, "Authorization": {"Bearer some-token"}}
	asKey := http.Header{"Accept": {"application/json"}, "X-API-Key": {"some-key"}}
	for _, c := range []struct {
		name   string
		call   func(*ecgrid.Client) error
		path   string
		body   string
		header http.Header
	}{
		{"login", func(c *ecgrid.Client) error { _, err := c.Login(t.Context(), `a"b`, "pä<ss"); return err },
			"/v2/auth/login", `{"login":"a\"b","password":"pä<ss"}`, withBody},
		{"refresh by the token", func(c *ecgrid.Client) error { _, err := c.Refresh(t.Context(), "tok", ""); return err },
			"/v2/auth/refresh", `{"token":"tok"}`, withBody},
		{"refresh by the refresh token", func(c *ecgrid.Client) error { _, err := c.Refresh(t.Context(), "tok", "ref"); return err },
			"/v2/auth/refresh", `{"refreshToken":"ref"}`, withBody},
		{"logout of a token", func(c *ecgrid.Client) error { return c.Logout(t.Context(), bearer) },
			"/v2/auth/logout", "", asBearer},
		{"logout of a key", func(c *ecgrid.Client) error { return c.Logout(t.Context(), key) },
			"/v2/auth/logout", "", asKey},
		{"session", func(c *ecgrid.Client) error { _, err := c.Session(t.Context(), key); return err },
			"/v2/auth/session", "", asKey},
		{"reset", func(c *ecgrid.Client) error { return c.ResetUser(t.Context(), bearer, 42) },
			"/v2/users/reset/42", "", asBearer},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s sent
			require.Error(t, c.call(ecgrid.New(base(t, "https://rest.example"), &s, "")))
			assert.Equal(t, 1, s.calls)
			assert.Equal(t, http.MethodPost, s.method)
			assert.Equal(t, "https://rest.example"+c.path, s.url)
			// All of the headers: no Cookie, no Referer, and no Idempotency-Key, with which net/http would replay a POST.
			assert.Equal(t, c.header, s.header)
			if c.body == "" {
				assert.Empty(t, s.body)
				assert.Zero(t, s.length)
			} else {
				assert.JSONEq(t, c.body, s.body)
				assert.Equal(t, int64(len(s.body)), s.length)
			}
		})
	}
}

func TestTheLoginFieldIsTheConfiguredOne(t *testing.T) {
	var s sent
	_, err := ecgrid.New(base(t, "https://rest.example"), &s, "email").Login(t.Context(), "a@b.example", "pw")
	require.Error(t, err)
	assert.JSONEq(t, `{"email":"a@b.example","password":"pw"}`, s.body)
}

func TestTheBasePathIsKeptAndItsUserInfoAndQueryAreNot(t *testing.T) {
	for in, want := range map[string]string{
		"https://rest.example/gw":              "https://rest.example/gw/v2/auth/logout",
		"https://rest.example/gw/":             "https://rest.example/gw/v2/auth/logout",
		"https://rest.example/a%2Fb":           "https://rest.example/a%2Fb/v2/auth/logout",
		"https://user:pw@rest.example:8443/?q": "https://rest.example:8443/v2/auth/logout",
	} {
		var s sent
		require.Error(t, ecgrid.New(base(t, in), &s, "").Logout(t.Context(), bearer))
		assert.Equal(t, want, s.url, in)
	}
}

func TestChangingTheBaseLaterChangesNothing(t *testing.T) {
	var s sent
	u := base(t, "https://rest.example")
	c := ecgrid.New(u, &s, "")
	u.Host = "evil.example"
	require.Error(t, c.Logout(t.Context(), bearer))
	assert.Equal(t, "https://rest.example/v2/auth/logout", s.url)
}

func TestArgumentsThatNoRequestCanCarryAreNotSent(t *testing.T) {
	for name, call := range map[string]func(*ecgrid.Client) error{
		"no credential":        func(c *ecgrid.Client) error { return c.Logout(t.Context(), ecgrid.Auth{}) },
		"two credentials":      func(c *ecgrid.Client) error { return c.Logout(t.Context(), ecgrid.Auth{Bearer: "a", APIKey: "b"}) },
		"token with a newline": func(c *ecgrid.Client) error { return c.Logout(t.Context(), ecgrid.Auth{Bearer: "a\nb"}) },
		"key with a space":     func(c *ecgrid.Client) error { _, err := c.Session(t.Context(), ecgrid.Auth{APIKey: "a b"}); return err },
		"reset of user 0":      func(c *ecgrid.Client) error { return c.ResetUser(t.Context(), bearer, 0) },
		"reset of user -1":     func(c *ecgrid.Client) error { return c.ResetUser(t.Context(), bearer, -1) },
		"refresh of nothing":   func(c *ecgrid.Client) error { _, err := c.Refresh(t.Context(), "", ""); return err },
	} {
		t.Run(name, func(t *testing.T) {
			var s sent
			e := failure(t, call(ecgrid.New(base(t, "https://rest.example"), &s, "")))
			assert.Zero(t, s.calls)
			assert.Zero(t, e.Status)
			assert.False(t, e.Retryable())
			assert.False(t, e.Rejected())
			assert.Contains(t, e.Reason, "not sent")
		})
	}
}

func TestACredentialIsCarriedByOneHeaderField(t *testing.T) {
	for _, c := range []struct {
		auth        ecgrid.Auth
		name, value string
	}{
		{ecgrid.Auth{Bearer: "tok"}, "Authorization", "Bearer tok"},
		{ecgrid.Auth{APIKey: "key"}, "X-API-Key", "key"},
		{ecgrid.Auth{}, "", ""},
	} {
		name, value := c.auth.Header()
		assert.Equal(t, c.name, name)
		assert.Equal(t, c.value, value)
	}
}

func TestAValidTokenIsVisibleASCIIOfBoundedLength(t *testing.T) {
	for _, good := range []string{"a", "!~", "abc.def-ghi_jkl~mno+pqr/stu==", strings.Repeat("x", 16<<10)} {
		assert.True(t, ecgrid.ValidToken(good), "%.20q", good)
	}
	for _, bad := range []string{"", " ", "a b", "a\tb", "a\r", "a\n", "a\x00", "a\x7f", "ä", "\x80", strings.Repeat("x", 16<<10+1)} {
		assert.False(t, ecgrid.ValidToken(bad), "%.20q", bad)
	}
}

func TestAForeignTransportThatBreaksItsContractIsNoAnswer(t *testing.T) {
	for name, rt := range map[string]roundTrip{
		"nothing at all": func(*http.Request) (*http.Response, error) { return nil, nil },
		"no body":        func(*http.Request) (*http.Response, error) { return &http.Response{StatusCode: 200}, nil },
		"another context's end": func(*http.Request) (*http.Response, error) {
			return nil, context.Canceled
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := ecgrid.New(base(t, "https://rest.example"), rt, "").Logout(t.Context(), bearer)
			assert.True(t, failure(t, err).Retryable())
			assert.NotErrorIs(t, err, context.Canceled)
		})
	}
}

func TestABodyThatSaysItIsTooLargeIsNotRead(t *testing.T) {
	rt := roundTrip(func(*http.Request) (*http.Response, error) {
		body := io.NopCloser(iotest.ErrReader(errors.New("touched")))
		return &http.Response{StatusCode: 403, Header: http.Header{}, Body: body, ContentLength: 64<<10 + 1}, nil
	})
	e := failure(t, ecgrid.New(base(t, "https://rest.example"), rt, "").Logout(t.Context(), bearer))
	assert.Equal(t, "answer too large", e.Reason)
	assert.Equal(t, 403, e.Status)
}

func TestTheBodyIsAlwaysClosed(t *testing.T) {
	for _, status := range []int{101, 200, 204, 302, 401, 500} {
		body := &closing{Reader: strings.NewReader(sessionEnded)}
		rt := roundTrip(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Header: http.Header{}, Body: body, ContentLength: -1}, nil
		})
		_ = ecgrid.New(base(t, "https://rest.example"), rt, "").Logout(t.Context(), bearer)
		assert.Equal(t, 1, body.closed, status)
	}
}

type closing struct {
	io.Reader
	closed int
}

func (c *closing) Close() error { c.closed++; return nil }
