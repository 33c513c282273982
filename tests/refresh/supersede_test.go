package refresh

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
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// slowApp is a replica with one more route: /slow asks for the credential, then
// makes its call when told to, so that a refresh can come in between.
type slowApp struct {
	*site.Site
	holds chan struct{} // closed: make the call
}

func newSlowApp(r *site.Site, body func() io.Reader) *slowApp {
	s := &slowApp{Site: r, holds: make(chan struct{})}
	// The call has its token by the time it gets here.
	late := site.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		<-s.holds
		return site.HandlerTransport{Handler: r.Grid}.RoundTrip(req)
	})
	outbound := &http.Client{Transport: r.Middleware.Transport(late)}
	r.Mux.HandleFunc("/slow", func(w http.ResponseWriter, req *http.Request) {
		call, _ := http.NewRequestWithContext(req.Context(), http.MethodPost, site.Upstream+site.InboxCall, body())
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
				site.BothPlaces(t, func(t *testing.T, c *site.Site) {
					app := newSlowApp(c.Replica(), replayable)
					refresher := app.Site
					if elsewhere {
						refresher = c.Replica()
					}
					v := app.SignIn(site.Demo)
					time.Sleep(12*time.Minute + 59*time.Second)
					var slow site.Answer
					var all sync.WaitGroup
					all.Go(func() { slow = v.Copy().Post(app.Site, "/slow") })
					synctest.Wait()
					time.Sleep(2 * time.Second) // now the token is due

					if underWay {
						// ECGrid has ended the old token; its answer is on the way.
						held := newStuck(c)
						close(held.ask)
						refresher = c.Replica(held.through)
						all.Go(func() { v.Copy().Post(refresher, "/token") })
						synctest.Wait()
						require.True(t, held.asked.Load())
						time.AfterFunc(3*time.Second, func() { close(held.deliver) })
					} else {
						v.Copy().Post(refresher, "/token")
					}
					close(app.holds)
					all.Wait()
					assert.Equal(t, http.StatusOK, slow.StatusCode, slow.Text)
					assert.Equal(t, 1, c.Refreshes())
					assert.Len(t, c.Grid.Calls(site.InboxCall), 2)
					assert.Empty(t, app.Events.Of(ecgridsession.SessionEnded))
				})
			})
		}
	}
}

func TestACallWhoseBodyIsGoneIsNotRepeatedAndTheSessionIsKept(t *testing.T) {
	site.BothPlaces(t, func(t *testing.T, c *site.Site) {
		app := newSlowApp(c.Replica(), onceOnly)
		v := app.SignIn(site.Demo)
		time.Sleep(12*time.Minute + 59*time.Second)
		var slow site.Answer
		var all sync.WaitGroup
		all.Go(func() { slow = v.Copy().Post(app.Site, "/slow") })
		synctest.Wait()
		time.Sleep(2 * time.Second)
		v.Copy().Post(app.Site, "/token")
		close(app.holds)
		all.Wait()
		assert.Equal(t, http.StatusUnauthorized, slow.StatusCode)
		assert.Contains(t, slow.Text, "InvalidSession", "the answer comes back whole")
		assert.Len(t, c.Grid.Calls(site.InboxCall), 1)
		assert.Equal(t, http.StatusOK, v.Get(app.Site, "/inbox").StatusCode)
	})
}

// refusal is ECGrid's verdict on a credential, plain and as a proxy compresses
// it.
func refusal(t *testing.T, code string, compressed bool) ecgridtest.Fault {
	t.Helper()
	body := `{"success":false,"data":null,"errorCode":"` + code + `","message":"no"}`
	fault := ecgridtest.Fault{Path: site.InboxCall, Status: http.StatusUnauthorized, Body: body}
	if compressed {
		fault.Body, fault.Header = site.Gzipped(t, body), http.Header{"Content-Encoding": {"gzip"}}
	}
	return fault
}

func TestACredentialThatECGridRefusesEndsTheSessionOnce(t *testing.T) {
	for name, compressed := range map[string]bool{"plain": false, "gzip": true} {
		for _, kind := range []string{"token in the cookie", "token in the ledger", "API key"} {
			t.Run(kind+", "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := site.New(t, site.InProcess())
					r, other := c.Replica(), c.Replica()
					var v *site.Visitor
					code := "InvalidSession"
					switch kind {
					case "API key":
						v, code = r.SignInByKey(site.Demo), "InvalidAPIKey"
					case "token in the ledger":
						r = c.Replica(site.InLedger)
						fallthrough
					default:
						v = r.SignIn(site.Demo)
					}
					c.Grid.Inject(refusal(t, code, compressed))
					got := make([]site.Answer, 50)
					site.AtOnce(len(got), func(i int) { got[i] = v.Copy().Post(r, "/inbox") })
					for _, one := range got {
						// Who came late found the session ended.
						assert.Contains(t, []int{http.StatusUnauthorized, http.StatusBadGateway}, one.StatusCode)
					}
					assert.Len(t, r.Events.Of(ecgridsession.SessionEnded), 1)
					assert.Equal(t, "anonymous", v.Copy().Get(r, "/").Text)
					assert.Equal(t, "anonymous", v.Copy().Get(other, "/").Text)
					assert.Zero(t, c.Refreshes())
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
			site.SignedInBothPlaces(t, func(t *testing.T, r *site.Site, v *site.Visitor) {
				fault.Path = site.InboxCall
				r.Grid.Inject(fault)
				got := v.Post(r, "/inbox")
				assert.Equal(t, fault.Status, got.StatusCode)
				if fault.Body != "" {
					assert.Equal(t, fault.Body, got.Text)
				}
				assert.Len(t, r.Grid.Calls(site.InboxCall), 1)
				assert.Equal(t, "user demo", v.Get(r, "/").Text)
			})
		})
	}
}

// ECGrid's clock may be ahead of ours, or its answer had no Date. The refresh
// token decides.
func TestATokenThatECGridRefusesEarlyIsRefreshedByItsRefreshToken(t *testing.T) {
	site.BothPlaces(t, func(t *testing.T, c *site.Site) {
		c.Grid.SetRefreshTokens(true)
		r := c.Replica()
		v := r.SignIn(site.Demo)
		once := refusal(t, "InvalidSession", false)
		once.Times = 1
		c.Grid.Inject(once)
		assert.Equal(t, http.StatusOK, v.Post(r, "/inbox").StatusCode)
		assert.Equal(t, 1, c.Refreshes())
		assert.Equal(t, "user demo", v.Get(r, "/").Text)
	})
}

func TestATokenThatIsRefusedWithItsRefreshTokenEndsTheSession(t *testing.T) {
	site.BothPlaces(t, func(t *testing.T, c *site.Site) {
		c.Grid.SetRefreshTokens(true)
		r := c.Replica()
		v := r.SignIn(site.Demo)
		c.Grid.Inject(refusal(t, "InvalidSession", false))
		c.Grid.Inject(ecgridtest.Fault{Path: site.RefreshCall, Status: http.StatusUnauthorized})
		assert.Equal(t, http.StatusUnauthorized, v.Post(r, "/inbox").StatusCode)
		assert.Equal(t, 1, c.Refreshes())
		assert.Equal(t, "anonymous", v.Get(r, "/").Text)
	})
}

func TestATokenThatIsRefusedAsSoonAsItIsRefreshedEndsTheSession(t *testing.T) {
	site.BothPlaces(t, func(t *testing.T, c *site.Site) {
		c.Grid.SetRefreshTokens(true)
		r := c.Replica()
		v := r.SignIn(site.Demo)
		c.Grid.Inject(refusal(t, "InvalidSession", false))
		for range 10 {
			assert.Equal(t, http.StatusUnauthorized, v.Post(r, "/inbox").StatusCode)
		}
		assert.Equal(t, 1, c.Refreshes(), "ECGrid is not asked again and again")
		assert.Equal(t, "anonymous", v.Get(r, "/").Text)
	})
}

func TestARefusalWhileTheLedgerIsDownEndsNothing(t *testing.T) {
	site.InBubble(t, func(t *testing.T, r *site.Site) {
		v := r.SignIn(site.Demo)
		r.Ledger.RefuseAll()
		refused := refusal(t, "InvalidSession", false)
		refused.Times = 1
		r.Grid.Inject(refused)
		assert.Equal(t, http.StatusUnauthorized, v.Post(r, "/inbox").StatusCode)
		r.Ledger.Recover()
		assert.Equal(t, http.StatusOK, v.Post(r, "/inbox").StatusCode, "the ledger may have known a newer token")
	})
}
