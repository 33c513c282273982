package cookies

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// heldRoute is one of a site whose answers wait.
type heldRoute struct{ arrived, release chan struct{} }

// hold adds the route /held, behind Wrap: a request has
// arrived when Wrap has opened its session.
func hold(s *site.Site) *heldRoute {
	h := &heldRoute{arrived: make(chan struct{}), release: make(chan struct{})}
	s.Mux.HandleFunc("/held", func(w http.ResponseWriter, r *http.Request) {
		close(h.arrived)
		select {
		case <-h.release:
		case <-r.Context().Done():
		}
		io.WriteString(w, "late")
	})
	return h
}

// meanwhile asks for the route and gives the answer, which comes only once what
// happens meanwhile has.
func (h *heldRoute) meanwhile(t *testing.T, b *site.Browser, happens func(), header ...string) site.Answer {
	t.Helper()
	var late site.Answer
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		late, err = b.Try(t.Context(), http.MethodGet, "/held", nil, header...)
	}()
	<-h.arrived
	happens()
	close(h.release)
	<-done
	require.NoError(t, err)
	require.Equal(t, "late", late.Text)
	return late
}

func TestAnAnswerThatComesAfterTheSignOutBringsNothingBack(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		h := hold(s)
		b.Age(5 * time.Minute) // the cookie is due
		tab := b.WithCookie(s)
		late := h.meanwhile(t, tab, func() { site.RequireDeletion(t, b.Post("/logout", nil)) }, site.Click...)

		require.Empty(t, late.SessionCookies(), "the session is over by then")
		site.RequireAnonymous(t, s, tab)
		assert.Zero(t, s.Grid.LiveTokens(site.Demo.ID))
		assert.Empty(t, s.Events.Of(ecgridsession.SessionRefreshed))
	})
}

func TestAPollersLateAnswerDeletesNoCookieOfTheNextSignIn(t *testing.T) {
	site.EachWay(t, func(t *testing.T, s *site.Site, b *site.Browser) {
		h := hold(s)
		b.WithCookie(s).Post("/logout", nil) // on another tab, whose answer has not come yet
		late := h.meanwhile(t, b, func() { b.SignIn() }, site.FetchCall...)

		assert.NotContains(t, late.Header, "Set-Cookie")
		assert.True(t, b.SignedIn())
	})
}
