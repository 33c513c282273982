package tests

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// slowApp is a replica with one more route: /slow asks for the credential, then
// makes its call when told to, so that a refresh can come in between.
type slowApp struct {
	*replica
	holds chan struct{} // closed: make the call
}

func newSlowApp(r *replica, body func() io.Reader) *slowApp {
	s := &slowApp{replica: r, holds: make(chan struct{})}
	// The call has its token by the time it gets here.
	late := roundTripFunc(func(req *http.Request) (*http.Response, error) {
		<-s.holds
		return handlerTransport{r.api}.RoundTrip(req)
	})
	outbound := &http.Client{Transport: r.m.Transport(late)}
	r.mux.HandleFunc("/slow", func(w http.ResponseWriter, req *http.Request) {
		call, _ := http.NewRequestWithContext(req.Context(), http.MethodPost, upstream+inboxCall, body())
		resp, err := outbound.Do(call)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		w.WriteHeader(resp.StatusCode)
		io.Copy(w, resp.Body)
	})
	return s
}

func replayable() io.Reader { return strings.NewReader("{}") }
func onceOnly() io.Reader   { return io.MultiReader(strings.NewReader("{}")) }

func TestACallThatARefreshOvertookIsMadeOnceMore(t *testing.T) {
	for where, elsewhere := range map[string]bool{"here": false, "on another replica": true} {
		for when, underWay := range map[string]bool{"done": false, "under way": true} {
			t.Run("refresh "+where+" "+when, func(t *testing.T) {
				bothPlaces(t, func(t *testing.T, c *cluster) {
					app := newSlowApp(c.replica(), replayable)
					refresher := app.replica
					if elsewhere {
						refresher = c.replica()
					}
					v := app.signIn(demo)
					time.Sleep(12*time.Minute + 59*time.Second)
					var slow answer
					var all sync.WaitGroup
					all.Go(func() { slow = v.copy().post(app.replica, "/slow") })
					synctest.Wait()
					time.Sleep(2 * time.Second) // now the token is due

					if underWay {
						// ECGrid has ended the old token; its answer is on the way.
						held := newStuck(c)
						close(held.ask)
						refresher = c.replica(held.through)
						all.Go(func() { v.copy().post(refresher, "/token") })
						synctest.Wait()
						require.True(t, held.asked.Load())
						time.AfterFunc(3*time.Second, func() { close(held.deliver) })
					} else {
						v.copy().post(refresher, "/token")
					}
					close(app.holds)
					all.Wait()
					assert.Equal(t, http.StatusOK, slow.StatusCode, slow.body)
					assert.Equal(t, 1, c.refreshes())
					assert.Len(t, c.api.Calls(inboxCall), 2)
					assert.Empty(t, app.events.of(ecgridsession.SessionEnded))
				})
			})
		}
	}
}

func TestACallWhoseBodyIsGoneIsNotRepeatedAndTheSessionIsKept(t *testing.T) {
	bothPlaces(t, func(t *testing.T, c *cluster) {
		app := newSlowApp(c.replica(), onceOnly)
		v := app.signIn(demo)
		time.Sleep(12*time.Minute + 59*time.Second)
		var slow answer
		var all sync.WaitGroup
		all.Go(func() { slow = v.copy().post(app.replica, "/slow") })
		synctest.Wait()
		time.Sleep(2 * time.Second)
		v.copy().post(app.replica, "/token")
		close(app.holds)
		all.Wait()
		assert.Equal(t, http.StatusUnauthorized, slow.StatusCode)
		assert.Contains(t, slow.body, "InvalidSession", "the answer comes back whole")
		assert.Len(t, c.api.Calls(inboxCall), 1)
		assert.Equal(t, http.StatusOK, v.get(app.replica, "/call").StatusCode)
	})
}

// refusal is ECGrid's verdict on a credential, plain and as a proxy compresses
// it.
func refusal(t *testing.T, code string, compressed bool) ecgridtest.Fault {
	t.Helper()
	body := `{"success":false,"data":null,"errorCode":"` + code + `","message":"no"}`
	fault := ecgridtest.Fault{Path: inboxCall, Status: http.StatusUnauthorized, Body: body}
	if compressed {
		fault.Body, fault.Header = gzipped(t, body), http.Header{"Content-Encoding": {"gzip"}}
	}
	return fault
}

func TestACredentialThatECGridRefusesEndsTheSessionOnce(t *testing.T) {
	for name, compressed := range map[string]bool{"plain": false, "gzip": true} {
		for _, kind := range []string{"token in the cookie", "token in the ledger", "API key"} {
			t.Run(kind+", "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := newCluster(t)
					r, other := c.replica(), c.replica()
					var v *visitor
					code := "InvalidSession"
					switch kind {
					case "API key":
						v, code = r.signInByKey(demo), "InvalidAPIKey"
					case "token in the ledger":
						r = c.replica(inLedger)
						fallthrough
					default:
						v = r.signIn(demo)
					}
					c.api.Inject(refusal(t, code, compressed))
					got := make([]answer, 50)
					atOnce(len(got), func(i int) { got[i] = v.copy().post(r, "/call") })
					for _, one := range got {
						// Who came late found the session ended.
						assert.Contains(t, []int{http.StatusUnauthorized, http.StatusBadGateway}, one.StatusCode)
					}
					assert.Len(t, r.events.of(ecgridsession.SessionEnded), 1)
					assert.Equal(t, "anonymous", v.copy().get(r, "/").body)
					assert.Equal(t, "anonymous", v.copy().get(other, "/").body)
					assert.Zero(t, c.refreshes())
				})
			})
		}
	}
}

func TestAnAnswerThatIsNoVerdictKeepsTheSession(t *testing.T) {
	for name, fault := range map[string]ecgridtest.Fault{
		"401 of a gateway":       {Status: 401, Body: "<h1>Unauthorized</h1>"},
		"401 with another code":  {Status: 401, Body: `{"success":false,"data":null,"errorCode":"AccessDenied","message":""}`},
		"401 without a body":     {Status: 401, Body: " "},
		"401 over 64 KiB":        {Status: 401, Body: `{"success":false,"data":null,"errorCode":"InvalidSession","message":"` + strings.Repeat("x", 64<<10) + `"}`},
		"401 cut short":          {Status: 401, Body: `{"success":false,"data":null,"errorCode":"InvalidSession"`},
		"401 of another success": {Status: 401, Body: `{"success":true,"data":null,"errorCode":null,"message":null}`},
		"403":                    {Status: 403},
		"403 with a 401's code":  {Status: 403, Body: `{"success":false,"data":null,"errorCode":"InvalidSession","message":""}`},
		"429":                    {Status: 429},
		"500":                    {Status: 500},
	} {
		t.Run(name, func(t *testing.T) {
			signedInBothPlaces(t, func(t *testing.T, c *cluster, r *replica, v *visitor) {
				fault.Path = inboxCall
				c.api.Inject(fault)
				got := v.post(r, "/call")
				assert.Equal(t, fault.Status, got.StatusCode)
				if fault.Body != "" {
					assert.Equal(t, fault.Body, got.body)
				}
				assert.Len(t, c.api.Calls(inboxCall), 1)
				assert.Equal(t, "user demo", v.get(r, "/").body)
			})
		})
	}
}

// Nobody refreshes what is not due: the token was revoked at ECGrid, and asking
// for another would be asking to undo that.
func TestATokenRevokedAtECGridIsNotRefreshed(t *testing.T) {
	bothPlaces(t, func(t *testing.T, c *cluster) {
		c.api.SetRefreshTokens(true)
		r := c.replica()
		v := r.signIn(demo)
		c.api.Inject(refusal(t, "InvalidSession", false))
		assert.Equal(t, http.StatusUnauthorized, v.post(r, "/call").StatusCode)
		assert.Zero(t, c.refreshes())
		assert.Equal(t, "anonymous", v.get(r, "/").body)
	})
}

func TestARefusalWhileTheLedgerIsDownEndsNothing(t *testing.T) {
	inTimeBubble(t, func(t *testing.T, c *cluster, r *replica) {
		v := r.signIn(demo)
		c.ledger.refuseAll()
		refused := refusal(t, "InvalidSession", false)
		refused.Times = 1
		c.api.Inject(refused)
		assert.Equal(t, http.StatusUnauthorized, v.post(r, "/call").StatusCode)
		c.ledger.recover()
		assert.Equal(t, http.StatusOK, v.post(r, "/call").StatusCode, "the ledger may have known a newer token")
	})
}
