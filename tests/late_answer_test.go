package tests

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
)

// heldRoute is one of a site whose answers wait.
type heldRoute struct{ arrived, release chan struct{} }

// hold adds the route /held, behind Wrap: a request has
// arrived when Wrap has opened its session.
func (s *site) hold() *heldRoute {
	h := &heldRoute{arrived: make(chan struct{}), release: make(chan struct{})}
	s.mux.HandleFunc("/held", func(w http.ResponseWriter, r *http.Request) {
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
func (h *heldRoute) meanwhile(t *testing.T, b *browser, happens func(), header ...string) answer {
	t.Helper()
	var late answer
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		late, err = b.try(t.Context(), http.MethodGet, "/held", nil, header...)
	}()
	<-h.arrived
	happens()
	close(h.release)
	<-done
	require.NoError(t, err)
	require.Equal(t, "late", late.body)
	return late
}

func TestAnAnswerThatComesAfterTheSignOutBringsNothingBack(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		h := s.hold()
		s.clockOf().advance(5 * time.Minute) // the cookie is due
		tab := b.withCookie(s)
		late := h.meanwhile(t, tab, func() { requireDeletion(t, b.post("/logout", nil)) }, click...)

		require.Empty(t, late.sessionCookies(), "the session is over by then")
		requireAnonymous(t, s, tab)
		assert.Zero(t, s.grid.LiveTokens(demo.ID))
		assert.Empty(t, s.events.of(ecgridsession.SessionRefreshed))
	})
}

func TestAPollersLateAnswerDeletesNoCookieOfTheNextSignIn(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		h := s.hold()
		b.withCookie(s).post("/logout", nil) // on another tab, whose answer has not come yet
		late := h.meanwhile(t, b, func() { b.signIn() }, fetchCall...)

		assert.NotContains(t, late.Header, "Set-Cookie")
		assert.True(t, b.signedIn())
	})
}
