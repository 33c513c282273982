package load

import (
	"context"
	"net/http"
	"time"
)

// What tests need beside Measure: one app at a time, and one slice of load.

// AppsConfig is what the apps are built from.
type AppsConfig = appsConfig

// NewApps builds the apps.
func NewApps(c AppsConfig) (map[string]http.Handler, func(context.Context) error, error) {
	return newApps(c)
}

// The names of the apps.
const (
	AppMiddleware = appMiddleware
	AppGorilla    = appGorilla
	AppBare       = appBare
	AppBareNobody = appBareNobody
)

// StaticFile is the name of the style sheet, StaticContent what is in it.
const StaticFile = staticFile

// StaticContent is what is in the style sheet.
var StaticContent = staticContent

// PageFor is the page as a user sees it; "" is nobody.
func PageFor(login, token string) string { return pageFor(user{login, token}) }

// TokenSize is the length of the bearer token.
const TokenSize = tokenSize

// SignIn posts the sign-in form and returns the cookie.
func SignIn(addr, login, password string) (string, error) {
	client := newClient()
	defer client.CloseIdleConnections()
	return signIn(client, addr, login, password)
}

// Get is the request for a page as the generator sends it.
func Get(addr, path, session string) []byte { return get(addr, path, asDocument, amongOthers(session)) }

// Load sends requests as the generator does, for a lead and one slice, and tells
// how many were answered.
func Load(addr string, request []byte, length, conns int, lead, slice time.Duration) (all, counted int64, err error) {
	g := generator{conns: make(map[string][]*conn)}
	defer func() {
		for _, c := range g.conns[addr] {
			c.net.Close()
		}
	}()
	n, err := g.carryOut(order{Addr: addr, Request: request, Length: length, Conns: conns, Lead: lead, Slice: slice})
	return n.All, n.Counted, err
}

// Quartiles are those of some figures.
func Quartiles(values ...float64) [4]float64 {
	s := spreadOf(values)
	return [4]float64{s.lower, s.median, s.upper, s.most}
}

// ForgetChild makes the program one whose main has not called Child, until
// remember is called.
func ForgetChild() (remember func()) {
	childCalled.Store(false)
	return func() { childCalled.Store(true) }
}

// Figures stand for a measurement, to judge its targets by: the requests per
// second of the apps in each round, and the times beyond ECGrid's.
type Figures struct {
	Middleware, Gorilla, Bare []float64
	Beyond, OverLimit         []time.Duration
}

// ResultOf is a Result of such figures.
func ResultOf(f Figures) Result {
	r := Result{options: Options{}.withDefaults(), samples: make(map[series][]sample)}
	for app, perSecond := range map[string][]float64{appMiddleware: f.Middleware, appGorilla: f.Gorilla, appBare: f.Bare} {
		for _, figure := range perSecond {
			for _, subject := range []string{pageWithSession, pageFewHeaders} {
				key := series{subject, app}
				r.samples[key] = append(r.samples[key], sample{perSecond: figure, processor: 1, busy: 1})
			}
		}
	}
	for _, d := range f.Beyond {
		r.signOuts.atOnce = append(r.signOuts.atOnce, signOut{whole: time.Second + d, ecgrid: time.Second})
		r.signOuts.slow = append(r.signOuts.slow, signOut{whole: time.Minute + d, ecgrid: time.Minute})
	}
	for _, d := range f.OverLimit {
		r.signOuts.hanging = append(r.signOuts.hanging, r.options.LogoutTimeout+d)
	}
	return r
}

// Probe sends a request once and returns the length of the right answer.
func Probe(addr string, request []byte, want string) (int, error) {
	return loadCase{addr: addr, request: request, want: want}.probe()
}
