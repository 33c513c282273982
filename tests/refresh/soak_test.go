package refresh

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

var soakFor = flag.Duration("soak", 3*time.Second, "how long TestFaultsNeitherReviveNorAccidentallyEndASessionOfAThousandUsers keeps its users busy")

const soakUsers = 1000

// TestFaultsNeitherReviveNorAccidentallyEndASessionOfAThousandUsers lets a thousand users work on two replicas, sign
// out and in again, while ECGrid delays, fails, hangs and loses answers. Their
// tokens live for an hour and seem to live for 4 seconds, by clocks that run so
// far ahead: so each is refreshed every other second, and one that nobody
// revoked is found at the end.
func TestFaultsNeitherReviveNorAccidentallyEndASessionOfAThousandUsers(t *testing.T) {
	before := runtime.NumGoroutine()
	run := &soak{t: t, grid: newFaultyGrid()}
	t.Run("users", run.run)
	left := 0
	require.Eventually(t, func() bool {
		left = runtime.NumGoroutine() - before - 1 // that of this condition
		return left <= 0
	}, 20*time.Second, 100*time.Millisecond, "goroutines are left over")
	t.Logf("%s\ngoroutines    %d before, %d left over", run.report(), before, max(left, 0))
}

// soak counts what comes of it.
type soak struct {
	t        *testing.T
	grid     *faultyGrid
	replicas []*site.Site

	requests, unavailable, bursts    atomic.Int64
	lost, accidents, revived, leaked atomic.Int64
	gaveUp                           map[int64]int // revocations, by user
}

func (s *soak) run(t *testing.T) {
	const ttl, seems = time.Hour, 4 * time.Second
	s.grid.api.SetTokenTTL(ttl)
	server := httptest.NewServer(s.grid)
	t.Cleanup(server.Close)
	outbound := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(outbound.CloseIdleConnections)
	outbound.MaxIdleConnsPerHost = 100
	s.gaveUp = make(map[int64]int)
	shared := site.New(t, site.InProcess())
	shared.Grid.API = s.grid.api
	own := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(own.CloseIdleConnections)
	own.MaxIdleConnsPerHost = 100
	for range 2 {
		r := shared.Replica(func(cfg *ecgridsession.Config) {
			cfg.Upstream = server.URL
			cfg.BaseTransport = own
			// A machine that is busy with other things must not make an answer
			// late: of ECGrid, which loses the token in it, or of the ledger,
			// which then counts as down. What is to be lost is counted.
			cfg.AuthTimeout, cfg.LedgerTimeout = 20*time.Second, 20*time.Second
			cfg.Logger = slog.New(slog.DiscardHandler)
		}).AheadBy(ttl - seems)
		calls := &http.Client{Transport: r.Middleware.Transport(outbound)}
		r.Mux.Handle("/patient", r.Middleware.Require(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			// As an app does: the client of the library has no timeout of its own.
			ctx, cancel := context.WithTimeout(req.Context(), 15*time.Second)
			defer cancel()
			call, _ := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+site.InboxCall, strings.NewReader("{}"))
			resp, err := calls.Do(call)
			if err != nil {
				http.Error(w, "no answer", http.StatusBadGateway)
				return
			}
			defer resp.Body.Close()
			io.Copy(io.Discard, resp.Body)
			w.WriteHeader(resp.StatusCode)
		})))
		s.replicas = append(s.replicas, r)
	}
	for id := range int64(soakUsers) {
		s.grid.api.AddUser(ecgridtest.User{ID: id + 1, Login: fmt.Sprint("user", id+1), Password: "pw"})
	}

	s.grid.failing.Store(true)
	end := time.Now().Add(*soakFor)
	site.AtOnce(soakUsers, func(i int) { s.work(int64(i+1), end) })
	s.grid.failing.Store(false)

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, r := range s.replicas {
		require.NoError(t, r.Middleware.Close(ctx))
		assert.Empty(t, r.Events.Of(ecgridsession.LedgerUnavailable), "the ledger is never down here")
		for _, e := range r.Events.Of(ecgridsession.RevocationGaveUp) {
			s.gaveUp[e.Session.UserID]++
		}
	}
	for id := range int64(soakUsers) {
		// A token whose only mention was lost on the way is known to nobody.
		if s.grid.droppedOf(id+1) == 0 {
			s.leaked.Add(int64(s.grid.api.LiveTokens(id + 1)))
		}
	}
	assert.Zero(t, s.accidents.Load(), "users were signed out by accident")
	assert.Zero(t, s.revived.Load(), "cookies opened a session after its sign-out")
	assert.Zero(t, s.leaked.Load(), "tokens of signed-out users live on")
	assert.Empty(t, s.gaveUp)
	assert.NotZero(t, len(s.grid.api.Calls(site.RefreshCall)))
}

// work is one user's day.
func (s *soak) work(id int64, end time.Time) {
	v, drops := s.signIn(id), s.grid.droppedOf(id)
	time.Sleep(rand.N(time.Second))
	for time.Now().Before(end) {
		r := s.replicas[rand.N(len(s.replicas))]
		open := true
		switch p := rand.N(100); {
		case p < 4:
			s.signOut(v)
			v, drops = s.signIn(id), s.grid.droppedOf(id)
		case p < 20: // a page that loads its parts
			s.bursts.Add(1)
			copies := []*site.Visitor{v, v.Copy(), v.Copy(), v.Copy()}
			site.AtOnce(len(copies), func(i int) { s.visit(copies[i], s.replicas[rand.N(len(s.replicas))]) })
			open = s.stillIn(v, r)
		default:
			open = s.visit(v, r) || s.stillIn(v, r)
		}
		if !open {
			if s.grid.droppedOf(id) > drops {
				s.lost.Add(1)
			} else {
				s.accidents.Add(1)
			}
			v, drops = s.signIn(id), s.grid.droppedOf(id)
		}
		time.Sleep(200*time.Millisecond + rand.N(1600*time.Millisecond))
	}
	s.signOut(v)
}

func (s *soak) signIn(id int64) *site.Visitor {
	v := &site.Visitor{}
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "https://app.example/", nil)
	_, err := s.replicas[0].Middleware.Start(w, r, s.grid.api.Issue(id))
	if !assert.NoError(s.t, err) {
		return v
	}
	v.Cookie = w.Result().Cookies()[0].Value
	return v
}

// visit makes one request and tells whether it was served.
func (s *soak) visit(v *site.Visitor, r *site.Site) bool {
	s.requests.Add(1)
	var got site.Answer
	switch rand.N(3) {
	case 0:
		return strings.HasPrefix(v.Get(r, "/").Text, "user")
	case 1:
		got = v.Get(r, "/patient")
	default:
		got = v.Post(r, "/patient")
	}
	if got.StatusCode != http.StatusOK {
		s.unavailable.Add(1)
	}
	return got.StatusCode == http.StatusOK
}

func (s *soak) stillIn(v *site.Visitor, r *site.Site) bool {
	s.requests.Add(1)
	return v.Post(r, "/").Text != "anonymous"
}

// signOut signs out and tries the cookie again everywhere.
func (s *soak) signOut(v *site.Visitor) {
	if !s.stillIn(v, s.replicas[0]) {
		return // its refresh was lost since
	}
	stolen := v.Copy()
	s.requests.Add(1)
	got := v.Post(s.replicas[rand.N(len(s.replicas))], "/logout")
	assert.Equal(s.t, http.StatusSeeOther, got.StatusCode)
	for _, r := range s.replicas {
		if s.stillIn(stolen.Copy(), r) {
			s.revived.Add(1)
		}
	}
}

func (s *soak) report() string {
	var b strings.Builder
	refreshed, failed, ended, outcomes := 0, 0, 0, make(map[string]int)
	for _, r := range s.replicas {
		refreshed += len(r.Events.Of(ecgridsession.SessionRefreshed))
		failed += len(r.Events.Of(ecgridsession.RefreshFailed))
		ended += len(r.Events.Of(ecgridsession.SessionEnded))
		for _, o := range r.Outcomes() {
			outcomes[o]++
		}
	}
	fmt.Fprintf(&b, "soak of %s\n", *soakFor)
	fmt.Fprintf(&b, "users         %d on %d replicas\n", soakUsers, len(s.replicas))
	fmt.Fprintf(&b, "requests      %d, of them %d not served for a fault of ECGrid; %d bursts\n", s.requests.Load(), s.unavailable.Load(), s.bursts.Load())
	fmt.Fprintf(&b, "refreshes     %d calls: %d refreshed, %d without a verdict, %d ended the session\n",
		len(s.grid.api.Calls(site.RefreshCall))+s.grid.count("refresh "), refreshed, failed, ended)
	fmt.Fprintf(&b, "sign-outs     %s\n", counted(outcomes))
	fmt.Fprintf(&b, "faults        %s\n", counted(s.grid.counts()))
	fmt.Fprintf(&b, "signed out    %d by an answer that was lost, %d by accident\n", s.lost.Load(), s.accidents.Load())
	fmt.Fprintf(&b, "after logout  %d cookies opened a session, %d tokens live on, %d revocations given up", s.revived.Load(), s.leaked.Load(), len(s.gaveUp))
	return b.String()
}

func counted(m map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, m[name]))
	}
	return strings.Join(parts, ", ")
}
