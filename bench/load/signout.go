package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// slowAnswer is how long a slow ECGrid takes. Its timer's delays count as its
// own time.
const slowAnswer = 20 * time.Millisecond

// unmeasured is how many sign-outs come before those that are timed: the first
// ones dial.
const unmeasured = 5

// signOut is one that was timed: from the first byte of POST /logout to the last
// of the 303, and what of that was ECGrid's time.
type signOut struct{ whole, ecgrid time.Duration }

// signOuts are the sign-outs by how ECGrid answers.
type signOuts struct {
	atOnce, slow []signOut
	hanging      []time.Duration // the whole: ECGrid's time has no end
	waiting      []time.Duration // at the same moments, a bare handler that waits for LogoutTimeout
}

// signOutTimer signs in and out at the middleware's app, one user after the
// other.
type signOutTimer struct {
	grid   *grid
	client *http.Client
	addr   string
	out    *conn // its connection for sign-outs
	bare   string
	wait   *conn // that to the bare app

	patience time.Duration
}

// measureSignOuts takes the answers at once and the slow ones by turns.
func measureSignOuts(ctx context.Context, o Options, g *grid, client *http.Client, addrs map[string]string) (found signOuts, err error) {
	t := &signOutTimer{
		grid: g, client: client, addr: addrs[appMiddleware], bare: addrs[appBare], patience: o.LogoutTimeout + exchangeTimeout,
	}
	for addr, c := range map[string]**conn{t.addr: &t.out, t.bare: &t.wait} {
		if *c, err = dial(addr); err != nil {
			return found, fmt.Errorf("load: %w", err)
		}
		defer (*c).net.Close()
	}
	ways := []struct {
		fault ecgridtest.Fault
		into  *[]signOut
	}{
		{ecgridtest.Fault{Path: logoutCall}, &found.atOnce},
		{ecgridtest.Fault{Path: logoutCall, Delay: slowAnswer}, &found.slow},
	}
	for round := range unmeasured + o.SignOuts {
		for _, i := range rand.Perm(len(ways)) {
			g.ClearFaults()
			g.Inject(ways[i].fault)
			answered := g.ended.Load()
			whole, err := t.signOut(ctx)
			if err != nil {
				return found, err
			}
			if calls := g.ended.Load() - answered; calls != 1 {
				return found, fmt.Errorf("load: a sign-out made %d calls that ECGrid answered", calls)
			}
			if round >= unmeasured {
				*ways[i].into = append(*ways[i].into, signOut{whole, time.Duration(g.took.Load())})
			}
		}
	}
	// Last, since the background goes on to try.
	g.ClearFaults()
	g.Inject(ecgridtest.Fault{Path: logoutCall, Hang: true})
	for range o.Hangs {
		waited := make(chan time.Duration, 1)
		var unwaited error
		go func() {
			var took time.Duration
			took, unwaited = t.timed(t.wait, get(t.bare, "/wait", asDocument, ""), http.StatusOK)
			waited <- took
		}()
		whole, err := t.signOut(ctx)
		waiting := <-waited
		if err := errors.Join(err, unwaited); err != nil {
			return found, err
		}
		found.waiting = append(found.waiting, waiting)
		if whole < o.LogoutTimeout {
			return found, fmt.Errorf("load: ECGrid does not answer, and a sign-out took %v", whole)
		}
		found.hanging = append(found.hanging, whole)
	}
	return found, nil
}

func (t *signOutTimer) signOut(ctx context.Context) (time.Duration, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	cookie, err := signIn(t.client, t.addr, demo.Login, demo.Password)
	if err != nil {
		return 0, err
	}
	return t.timed(t.out, postLogout(t.addr, amongOthers(cookie)), http.StatusSeeOther)
}

// timed sends a request and tells how long it was until the end of its answer.
func (t *signOutTimer) timed(c *conn, request []byte, want int) (time.Duration, error) {
	if err := c.net.SetDeadline(time.Now().Add(t.patience)); err != nil {
		return 0, fmt.Errorf("load: sign-out: %w", err)
	}
	began := time.Now()
	status, _, err := c.exchange(request)
	took := time.Since(began)
	if err == nil && status != want {
		err = fmt.Errorf("answered with status %d", status)
	}
	if err != nil {
		return 0, fmt.Errorf("load: sign-out: %w", err)
	}
	return took, nil
}
