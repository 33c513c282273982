package outbound

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// underWay opens a request of the visitor, as Wrap hands it to a handler, and keeps it open.
func underWay(t *testing.T, s *site.Site, v *site.Visitor) *http.Request {
	t.Helper()
	var opened *http.Request
	r := httptest.NewRequest(http.MethodGet, "https://app.example/", nil)
	r.Header.Set("Cookie", site.Sent(v.Cookie))
	s.Middleware.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { opened = r })).ServeHTTP(httptest.NewRecorder(), r)
	require.NotNil(t, opened)
	return opened
}

// calls makes one outbound call for the context, and returns its error and whether it was sent.
func calls(t *testing.T, s *site.Site, ctx context.Context) (sent bool, err error) {
	t.Helper()
	wire := &site.RecordingTransport{}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Grid.URL+site.InboxCall, nil)
	require.NoError(t, err)
	resp, err := s.Middleware.Transport(wire).RoundTrip(req)
	if err == nil {
		require.NoError(t, resp.Body.Close())
	}
	return len(wire.Sent()) > 0, err
}

// eachVisitor runs a property in a bubble for either kind of credential.
func eachVisitor(t *testing.T, property func(t *testing.T, s *site.Site, v *site.Visitor)) {
	t.Helper()
	for _, kind := range []string{"bearer", "API key"} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := site.New(t, site.InProcess())
				s.Grid.SetTokenTTL(24 * time.Hour)
				if kind == "bearer" {
					property(t, s, s.SignIn(site.Demo))
				} else {
					property(t, s, s.SignInByKey(site.Demo))
				}
			})
		})
	}
}

func TestARequestUnderWayMakesNoCallAfterTheSignOut(t *testing.T) {
	for _, path := range []string{"/logout", "/everywhere"} {
		t.Run(path, func(t *testing.T) {
			eachVisitor(t, func(t *testing.T, s *site.Site, v *site.Visitor) {
				r := underWay(t, s, v)
				kept := context.WithoutCancel(r.Context())
				sent, err := calls(t, s, r.Context())
				require.NoError(t, err)
				require.True(t, sent)
				require.Equal(t, http.StatusSeeOther, v.Copy().Post(s, path).StatusCode)
				for name, ctx := range map[string]context.Context{"the request": r.Context(), "work that outlives it": kept} {
					sent, err := calls(t, s, ctx)
					assert.False(t, sent, name)
					assert.ErrorIs(t, err, ecgridsession.ErrSessionEnded, name)
					_, err = s.Middleware.Credential(ctx)
					assert.ErrorIs(t, err, ecgridsession.ErrSessionEnded, name)
				}
			})
		})
	}
}

func TestTheSignOutOfOneSessionStopsNoOther(t *testing.T) {
	eachVisitor(t, func(t *testing.T, s *site.Site, v *site.Visitor) {
		r := underWay(t, s, v)
		for _, other := range []*site.Visitor{s.SignIn(site.Demo), s.SignInByKey(site.Demo)} {
			require.Equal(t, http.StatusSeeOther, other.Post(s, "/logout").StatusCode)
			sent, err := calls(t, s, r.Context())
			assert.NoError(t, err)
			assert.True(t, sent)
			asked := s.Ledger.Loads.Load()
			_, err = calls(t, s, r.Context())
			assert.NoError(t, err)
			assert.Equal(t, asked, s.Ledger.Loads.Load(), "the ledger is asked once for each end")
		}
	})
}

func TestAKeysRequestUnderWayStopsSoonAfterASignOutOnAnotherReplica(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := site.New(t, site.InProcess())
		other := s.Replica()
		v := s.SignInByKey(site.Demo)
		r := underWay(t, s, v)
		require.Equal(t, http.StatusSeeOther, v.Copy().Post(other, "/logout").StatusCode)
		time.Sleep(2 * time.Second)
		sent, err := calls(t, s, r.Context())
		assert.False(t, sent)
		assert.ErrorIs(t, err, ecgridsession.ErrSessionEnded)
	})
}

// The ledger cannot say that the session is open, and ECGrid continues to take the key.
func TestAKeyIsNotUsedWhileTheLedgerCannotSayWhetherItMayBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := site.New(t, site.InProcess())
		v := s.SignInByKey(site.Demo)
		r := underWay(t, s, v)
		s.Ledger.RefuseAll()
		time.Sleep(2 * time.Second)
		sent, err := calls(t, s, r.Context())
		assert.False(t, sent)
		assert.ErrorIs(t, err, ecgridsession.ErrLedgerUnavailable)
		s.Ledger.Recover()
		sent, err = calls(t, s, r.Context())
		assert.NoError(t, err, "an outage ends no session")
		assert.True(t, sent)
	})
}

func TestARequestUnderWayAsksTheLedgerForAKeyAloneAndSeldom(t *testing.T) {
	for kind, most := range map[string]int64{"bearer": 0, "API key": 10} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := site.New(t, site.InProcess())
				v := s.SignInByKey(site.Demo)
				if kind == "bearer" {
					v = s.SignIn(site.Demo)
				}
				r := underWay(t, s, v)
				before := s.Ledger.Loads.Load()
				for range 1500 { // in 15 seconds
					_, err := calls(t, s, r.Context())
					require.NoError(t, err)
					time.Sleep(10 * time.Millisecond)
				}
				assert.LessOrEqual(t, s.Ledger.Loads.Load()-before, most)
			})
		})
	}
}

// The sign-in comes while the call is on its way, within the same request.
func TestACallIsNotSentAgainWithTheTokenOfAnotherUser(t *testing.T) {
	other := site.Demo
	other.ID, other.Login, other.APIKey = 4712, "other", "another-api-key-0123456789"
	for name, signIn := range map[string]func(*site.Site, http.ResponseWriter, *http.Request) error{
		"another user": func(s *site.Site, w http.ResponseWriter, r *http.Request) error {
			_, err := s.Middleware.Login(w, r, other.Login, other.Password)
			return err
		},
		"another user's key": func(s *site.Site, w http.ResponseWriter, r *http.Request) error {
			_, err := s.Middleware.Start(w, r, ecgridsession.Credential{APIKey: other.APIKey})
			return err
		},
		// The call was made for the session that is over.
		"another session of the user": func(s *site.Site, w http.ResponseWriter, r *http.Request) error {
			_, err := s.Middleware.Login(w, r, site.Demo.Login, site.Demo.Password)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachVisitor(t, func(t *testing.T, s *site.Site, v *site.Visitor) {
				s.Grid.AddUser(other)
				var resp *http.Response
				var err error
				wire := &site.RecordingTransport{}
				s.Mux.HandleFunc("/switch", func(w http.ResponseWriter, r *http.Request) {
					wire.Answer = func(*http.Request) (*http.Response, error) {
						if err := signIn(s, w, r); err != nil {
							return nil, err
						}
						answer := httptest.NewRecorder()
						answer.WriteHeader(http.StatusUnauthorized)
						answer.WriteString(`{"success":false,"errorCode":"InvalidSession"}`)
						return answer.Result(), nil
					}
					var req *http.Request
					req, err = http.NewRequestWithContext(r.Context(), http.MethodGet, s.Grid.URL+"/v2/parcels", nil)
					if err == nil {
						resp, err = s.Middleware.Transport(wire).RoundTrip(req)
					}
				})
				v.Post(s, "/switch")
				require.NoError(t, err)
				assert.Equal(t, http.StatusUnauthorized, resp.StatusCode)
				assert.Len(t, wire.Sent(), 1, "it is not sent again")
				assert.Equal(t, http.StatusOK, v.Get(s, "/session").StatusCode, "the new session is open")
			})
		})
	}
}
