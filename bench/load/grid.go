package load

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

const logoutCall = "/v2/auth/logout"

var demo = ecgridtest.User{ID: 4711, Login: "demo", Password: "demo", MailboxID: 100001, NetworkID: 1}

// grid is the fake ECGrid. It tells how long it took over the latest sign-out.
type grid struct {
	*ecgridtest.API
	server *http.Server
	url    string
	took   atomic.Int64 // in ns
	ended  atomic.Int64 // sign-outs that were answered
}

func startGrid() (*grid, error) {
	g := &grid{API: ecgridtest.NewAPI()}
	g.AddUser(demo)
	g.SetTokenSize(tokenSize)
	g.SetTokenTTL(24 * time.Hour) // none is due while it is measured with
	server, addr, err := listen(g)
	if err != nil {
		return nil, err
	}
	g.server, g.url = server, "http://"+addr
	return g, nil
}

func (g *grid) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != logoutCall {
		g.API.ServeHTTP(w, r)
		return
	}
	began := time.Now()
	g.API.ServeHTTP(w, r)
	// So short an answer leaves when this returns, so whoever has it finds these
	// figures.
	g.took.Store(int64(time.Since(began)))
	g.ended.Add(1)
}

// close cuts what still hangs, too.
func (g *grid) close() { g.server.Close() }
