package site

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
)

// Visit hands a request straight to the site, past any client that would tidy
// its Cookie lines up.
func (s *Site) Visit(header []string, cookieLines ...string) *httptest.ResponseRecorder {
	return VisitTo(s.Handler, header, cookieLines...)
}

// VisitTo is [Site.Visit] to a handler.
func VisitTo(h http.Handler, header []string, cookieLines ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "https://app.example/", nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	r.Header["Cookie"] = cookieLines
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// CookieOf signs Demo in, by either kind of credential, and returns the value of
// the cookie.
func (s *Site) CookieOf(kind string) string {
	s.T.Helper()
	c := ecgridsession.Credential{APIKey: Demo.APIKey}
	if kind == "bearer" {
		c = s.Grid.Issue(Demo.ID)
		c.UserID = 0 // so that Start asks for the login
	}
	w := httptest.NewRecorder()
	_, err := s.Middleware.Start(w, httptest.NewRequest(http.MethodPost, "https://app.example/login", nil), c)
	require.NoError(s.T, err)
	cookies := w.Result().Cookies()
	require.Len(s.T, cookies, 1)
	return cookies[0].Value
}

// BothKinds runs a property with a cookie of each kind of session. Nothing that
// a browser can send is logged above debug.
func BothKinds(t *testing.T, property func(t *testing.T, s *Site, cookie string), options ...Option) {
	t.Helper()
	for _, kind := range []string{"bearer", "API key"} {
		t.Run(kind, func(t *testing.T) {
			s := New(t, options...)
			property(t, s, s.CookieOf(kind))
			s.LogsNothing()
		})
	}
}

// Knows reports whether the site takes these Cookie lines for Demo. Another
// user is a failure.
func (s *Site) Knows(cookieLines ...string) bool {
	s.T.Helper()
	w := s.Visit(nil, cookieLines...)
	require.Equal(s.T, http.StatusOK, w.Code)
	require.Contains(s.T, []string{"user demo", "anonymous"}, w.Body.String())
	return w.Body.String() == "user demo"
}

// Refuses holds the site to "anonymous": no session, no panic, and one deletion
// cookie on the way to sign-in. A public page leaves the cookie alone.
func (s *Site) Refuses(cookieLines ...string) {
	s.T.Helper()
	w := s.Visit(Click, cookieLines...)
	require.Equal(s.T, http.StatusOK, w.Code)
	require.Equal(s.T, "anonymous", w.Body.String())
	require.Empty(s.T, w.Header()["Set-Cookie"])
	w = VisitTo(s.Middleware.Require(http.NotFoundHandler()), Click, cookieLines...)
	require.Equal(s.T, http.StatusSeeOther, w.Code)
	require.Equal(s.T, []string{Deletion}, w.Header()["Set-Cookie"])
}

// LogsNothing holds the site to silence above debug.
func (s *Site) LogsNothing() {
	s.T.Helper()
	logs := s.Logs.String()
	for _, level := range []string{"level=INFO", "level=WARN", "level=ERROR"} {
		require.NotContains(s.T, logs, level)
	}
}

// Sent is the Cookie line of a browser that has nothing but this session.
func Sent(value string) string { return "__Host-ecgrid=" + value }

// Knows tells whether m finds a session in a request.
func Knows(m *ecgridsession.Middleware, r *http.Request) (found bool) {
	m.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, found = m.Session(r.Context())
	})).ServeHTTP(httptest.NewRecorder(), r)
	return found
}

// CookieIn is the value that an answer sets the session cookie to.
func CookieIn(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	lines := w.Header()["Set-Cookie"]
	require.Len(t, lines, 1)
	value, _, _ := strings.Cut(strings.TrimPrefix(lines[0], "__Host-ecgrid="), ";")
	require.NotEmpty(t, value)
	return value
}
