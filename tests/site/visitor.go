package site

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"

	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// Visitor is a browser that needs no server: it calls the handler of a replica,
// and holds the one cookie.
type Visitor struct{ Cookie string }

// Send sends a request to a replica and takes over the cookie that it sets.
// Header is a list of names and values.
func (v *Visitor) Send(r *Site, method, path string, header ...string) Answer {
	return v.SendUntil(context.Background(), r, method, path, header...)
}

// SendUntil is Send by a browser that hangs up when ctx is done.
func (v *Visitor) SendUntil(ctx context.Context, r *Site, method, path string, header ...string) Answer {
	return v.SendForm(ctx, r, method, path, nil, header...)
}

// SendForm is SendUntil with a form.
func (v *Visitor) SendForm(ctx context.Context, r *Site, method, path string, form url.Values, header ...string) Answer {
	req := httptest.NewRequestWithContext(ctx, method, "https://app.example"+path, strings.NewReader(form.Encode()))
	req.RequestURI = path // as a server has it
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	if v.Cookie != "" {
		req.Header.Set("Cookie", "__Host-ecgrid="+v.Cookie)
	}
	w := httptest.NewRecorder()
	r.Handler.ServeHTTP(w, req)
	got := Answer{w.Result(), w.Body.String()}
	for _, set := range got.Cookies() {
		if set.Name == "__Host-ecgrid" {
			v.Cookie = set.Value
		}
	}
	return got
}

// Get sends a GET.
func (v *Visitor) Get(r *Site, path string, header ...string) Answer {
	return v.Send(r, http.MethodGet, path, header...)
}

// Post sends a POST.
func (v *Visitor) Post(r *Site, path string, header ...string) Answer {
	return v.Send(r, http.MethodPost, path, header...)
}

// Copy is a second browser with the same cookie.
func (v *Visitor) Copy() *Visitor { return &Visitor{Cookie: v.Cookie} }

// Token is what an outbound call of the visitor would carry now, by a method
// that refreshes on demand alone.
func (v *Visitor) Token(r *Site) string {
	r.T.Helper()
	got := v.Post(r, "/token")
	require.Equal(r.T, http.StatusOK, got.StatusCode, got.Text)
	return got.Text
}

// SignIn is a visitor who signs in with a password.
func (s *Site) SignIn(user ecgridtest.User) *Visitor {
	s.T.Helper()
	return s.visitorBy(url.Values{"login": {user.Login}, "password": {user.Password}})
}

// SignInEarlier is SignIn at a process that has been replaced since. No process
// keeps the session alive until its cookie is set again.
func (s *Site) SignInEarlier(user ecgridtest.User) *Visitor {
	s.T.Helper()
	before := s.Replica()
	v := before.SignIn(user)
	require.NoError(s.T, before.Middleware.Close(context.Background()))
	return v
}

// SignInByKey is a visitor who signs in with an API key.
func (s *Site) SignInByKey(user ecgridtest.User) *Visitor {
	s.T.Helper()
	return s.visitorBy(url.Values{"api_key": {user.APIKey}})
}

func (s *Site) visitorBy(form url.Values) *Visitor {
	s.T.Helper()
	v := &Visitor{}
	got := v.SendForm(context.Background(), s, http.MethodPost, "/login", form)
	require.Equal(s.T, http.StatusSeeOther, got.StatusCode, got.Text)
	require.NotEmpty(s.T, v.Cookie)
	return v
}

// AtOnce runs n functions at the same time and waits for all of them.
func AtOnce(n int, f func(i int)) {
	var all sync.WaitGroup
	begin := make(chan struct{})
	for i := range n {
		all.Go(func() {
			<-begin
			f(i)
		})
	}
	close(begin)
	all.Wait()
}
