//go:build unix

package replicas_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// runECGrid is the fake ECGrid, with routes of its own by which a test in
// another process has its way with it.
func runECGrid() int {
	var none struct{}
	return beChild(&none, func() (http.Handler, func(), error) {
		api := ecgridtest.NewAPI()
		mux := http.NewServeMux()
		mux.Handle("/", api)
		control(mux, "/test/user", func(u ecgridtest.User) any { api.AddUser(u); return nil })
		control(mux, "/test/ttl", func(d time.Duration) any { api.SetTokenTTL(d); return nil })
		control(mux, "/test/fault", func(f ecgridtest.Fault) any { api.Inject(f); return nil })
		control(mux, "/test/calls", func(path string) any { return api.Calls(path) })
		control(mux, "/test/live", func(user int64) any { return api.LiveTokens(user) })
		return mux, func() {}, nil
	})
}

func control[T any](mux *http.ServeMux, path string, do func(T) any) {
	mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		var in T
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		json.NewEncoder(w).Encode(do(in))
	})
}

// ecgrid is the fake ECGrid as the test sees it.
type ecgrid struct {
	t *testing.T
	*process
}

func newECGrid(t *testing.T) *ecgrid {
	return &ecgrid{t, spawn(t, "ecgrid", struct{}{})}
}

func (g *ecgrid) tell(path string, in, out any) {
	g.t.Helper()
	body, err := json.Marshal(in)
	require.NoError(g.t, err)
	resp, err := http.Post(g.url+path, "application/json", bytes.NewReader(body))
	require.NoError(g.t, err)
	defer resp.Body.Close()
	require.Equal(g.t, http.StatusOK, resp.StatusCode)
	require.NoError(g.t, json.NewDecoder(resp.Body).Decode(out))
}

// addUser makes a user whose login, password and API key follow from the id.
func (g *ecgrid) addUser(id int64) ecgridtest.User {
	g.t.Helper()
	n := strconv.FormatInt(id, 10)
	u := ecgridtest.User{ID: id, Login: "user" + n, Password: "canary-password-qX7-" + n, APIKey: "canary-api-key-zW3-0123456789-" + n,
		AuthLevel: "NetworkAdmin"}
	g.tell("/test/user", u, new(any))
	return u
}

// lifetime sets how long tokens live that are issued from now on.
func (g *ecgrid) lifetime(d time.Duration) {
	g.t.Helper()
	g.tell("/test/ttl", d, new(any))
}

func (g *ecgrid) inject(f ecgridtest.Fault) {
	g.t.Helper()
	g.tell("/test/fault", f, new(any))
}

func (g *ecgrid) calls(path string) []ecgridtest.Call {
	g.t.Helper()
	var calls []ecgridtest.Call
	g.tell("/test/calls", path, &calls)
	return calls
}

func (g *ecgrid) live(user int64) int {
	g.t.Helper()
	var n int
	g.tell("/test/live", user, &n)
	return n
}

const (
	refreshPath = "/v2/auth/refresh"
	logoutPath  = "/v2/auth/logout"
	inboxPath   = "/v2/parcels/inbox-list"
)
