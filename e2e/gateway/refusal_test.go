package gateway_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

const refusal = `{"success":false,"data":null,"errorCode":"InvalidSession","message":""}`

func TestECGridsRefusalComesBackWholeAndEndsTheSession(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		s := newSite(t)
		b := s.browser(http2).signIn(byPassword)
		s.grid.Inject(ecgridtest.Fault{Path: inboxPath, Status: http.StatusUnauthorized, Body: refusal})
		// Nor does ECGrid refresh what it refuses.
		s.grid.Inject(ecgridtest.Fault{Path: "/v2/auth/refresh", Status: http.StatusUnauthorized, Body: refusal})
		got := b.do(http.MethodPost, inboxPath, "{}")
		assert.Equal(t, http.StatusUnauthorized, got.StatusCode)
		assert.JSONEq(t, refusal, got.body)

		passed := len(s.passedOn())
		assert.False(t, b.signedIn())
		assert.Equal(t, http.StatusUnauthorized, b.do(http.MethodPost, inboxPath, "{}").StatusCode)
		assert.Len(t, s.passedOn(), passed, "ECGrid is not asked again")
	}
}

func TestARefusalThatIsNotECGridsComesBackWholeAndEndsNothing(t *testing.T) {
	eachWay(t, func(t *testing.T, s *site, b *browser) {
		for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusServiceUnavailable} {
			s.grid.Inject(ecgridtest.Fault{Path: inboxPath, Times: 1, Status: status, Body: "<h1>a gateway in between</h1>"})
			got := b.do(http.MethodPost, inboxPath, "{}")
			assert.Equal(t, status, got.StatusCode)
			assert.Equal(t, "<h1>a gateway in between</h1>", got.body)
		}
		assert.Equal(t, http.StatusOK, b.do(http.MethodPost, inboxPath, "{}").StatusCode)
	})
}

// The token is refreshed by one request while another is on its way with the
// token before.
func TestACallWhoseTokenIsReplacedUnderWay(t *testing.T) {
	for method, c := range map[string]struct {
		name, body string
		status     int
	}{
		http.MethodGet:  {"without a body is made again", "", http.StatusOK},
		http.MethodPost: {"with a body gets the refusal, and the session goes on", "{}", http.StatusUnauthorized},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t)
			arrived, release := make(chan struct{}), make(chan struct{})
			first := sync.OnceFunc(func() { close(arrived) })
			s.route("/v2/held", func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				assert.NoError(t, err)
				io.WriteString(w, r.Method+string(body))
			})
			// Ahead of the route's look at the token.
			s.more.HandleFunc("/v2/holds", func(w http.ResponseWriter, r *http.Request) {
				first()
				<-release
				r.URL.Path = "/v2/held"
				s.more.ServeHTTP(w, r)
			})
			s.route("/v2/echo", func(http.ResponseWriter, *http.Request) {})
			s.grid.SetRefreshTokens(true) // so that a busy machine may let the token expire
			s.grid.SetTokenTTL(2 * time.Second)
			b := s.browser(true).signIn(byPassword)
			s.grid.SetTokenTTL(time.Hour)

			type outcome struct {
				status int
				body   string
			}
			done := make(chan outcome, 1)
			go func() {
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				defer cancel()
				resp, err := b.try(ctx, method, "/v2/holds", strings.NewReader(c.body))
				if !assert.NoError(t, err) {
					close(done)
					return
				}
				defer resp.Body.Close()
				text, err := io.ReadAll(resp.Body)
				assert.NoError(t, err)
				done <- outcome{resp.StatusCode, string(text)}
			}()
			<-arrived
			before := credentialsOf(s.passedOn()[0])
			require.Eventually(t, func() bool {
				require.Equal(t, http.StatusOK, b.get("/v2/echo").StatusCode)
				passed := s.passedOn()
				return credentialsOf(passed[len(passed)-1])[0] != before[0]
			}, patience, 50*time.Millisecond, "the token is not refreshed")
			close(release)

			got := <-done
			assert.Equal(t, c.status, got.status, got.body)
			if c.status == http.StatusOK {
				assert.Equal(t, method, got.body)
			} else {
				assert.Contains(t, got.body, "InvalidSession")
			}
			assert.True(t, b.signedIn())
			assert.Equal(t, http.StatusOK, b.get("/v2/echo").StatusCode)
		})
	}
}

// Require has let it in; the token is due only when the gateway asks for it.
func TestACallWhoseSessionEndsOnTheWayIsUnauthorizedAndNotSent(t *testing.T) {
	s := newSite(t)
	s.grid.SetTokenTTL(time.Second)
	s.grid.Inject(ecgridtest.Fault{Path: "/v2/auth/refresh", Status: http.StatusUnauthorized})
	b := s.browser(true).signIn(byPassword)
	require.Eventually(t, func() bool { return s.grid.LiveTokens(demo.ID) == 0 }, patience, 20*time.Millisecond)
	assert.Equal(t, http.StatusUnauthorized, b.do(http.MethodPost, inboxPath, "{}").StatusCode)
	assert.Empty(t, s.passedOn())
	assert.Len(t, s.grid.Calls("/v2/auth/refresh"), 1)
}
