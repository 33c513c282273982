//go:build linux

package browser_test

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

const (
	loginPath   = "/v2/auth/login"
	refreshPath = "/v2/auth/refresh"
	logoutPath  = "/v2/auth/logout"
	inboxPath   = "/v2/parcels/inbox-list"
)

// Users whom ECGrid knows.
var (
	alice   = ecgridtest.User{ID: 7, Login: "alice", Password: "correct horse", APIKey: "alices-api-key"}
	mallory = ecgridtest.User{ID: 666, Login: "mallory", Password: "malice", APIKey: "mallorys-api-key"}
)

// site is the example as a process, with an ECGrid that the test has in hand.
type site struct {
	t      *testing.T
	url    string // as the browser knows it
	cookie string // the name of the session cookie
	grid   *ecgridtest.Server
	*front
}

// overTLS is the example as a real app is: its cookie is __Host- and Secure.
func overTLS(t *testing.T, flags ...string) *site {
	t.Helper()
	grid := newGrid(t)
	cert, key := identity().files(t)
	app := startExample(t, append(flags, "-upstream", grid.URL, "-tls-cert", cert, "-tls-key", key)...)
	f := newFront(t, "app.example.test", app, true)
	return &site{t: t, url: "https://" + f.appHost, cookie: "__Host-ecgrid", grid: grid, front: f}
}

// onLocalhost is the example as its developer has it.
func onLocalhost(t *testing.T) *site {
	t.Helper()
	grid := newGrid(t)
	f := newFront(t, "localhost", startExample(t, "-upstream", grid.URL), false)
	return &site{t: t, url: "http://" + f.appHost, cookie: "ecgrid-dev", grid: grid, front: f}
}

// onBoth runs a test both ways.
func onBoth(t *testing.T, test func(t *testing.T, s *site)) {
	t.Helper()
	launched(t)
	t.Run("over TLS", func(t *testing.T) { test(t, overTLS(t)) })
	t.Run("on http localhost", func(t *testing.T) { test(t, onLocalhost(t)) })
}

func newGrid(t *testing.T) *ecgridtest.Server {
	t.Helper()
	launched(t) // before anything is started that a skipped test would not need
	grid := ecgridtest.NewServer(t)
	grid.AddUser(alice)
	grid.AddUser(mallory)
	return grid
}

// evil is another site, of the app's own scheme.
func (s *site) evil() string { return s.origin("evil.test") }

// origin is another host on the app's own scheme and port.
func (s *site) origin(host string) string {
	u, err := url.Parse(s.url)
	require.NoError(s.t, err)
	return u.Scheme + "://" + host + ":" + s.port
}
