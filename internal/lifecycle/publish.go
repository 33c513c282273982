package lifecycle

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/ecgrid-contrib/ecgridsession/internal/background"
	"github.com/ecgrid-contrib/ecgridsession/internal/session"
)

const (
	// publishTries is how often the ledger is tried at the least, the first
	// time after some firstPublishWait.
	publishTries     = 8
	firstPublishWait = time.Second

	// maxUnpublished bounds the tokens that wait for the ledger. They must not
	// keep others from refreshing.
	maxUnpublished = 16384
)

// publisher tells the ledger of the tokens that it could not be told of when
// they came. Until then this process alone knows them, and whoever comes with
// an older cookie gets them here: asking ECGrid with the token before would end
// the session.
//
// A token comes here when ECGrid has given it and the ledger failed before it
// could be stored (verdictUnpublished). It is the weak place of refresh: were
// the process to die now, the token would be lost and the session with it. So
// everything here is about making that time short, and about nobody asking
// ECGrid with the old token meanwhile
// (TestATokenThatTheLedgerDoesNotKnowYetIsFoundInThisProcess).
type publisher struct {
	*runner
	// pending are the goroutines that try again, one for each token; each ends
	// by itself when its token is published, given up or superseded.
	pending background.Tasks

	mu sync.Mutex
	// newest is by the ledger's key of the session. mu guards it; the snapshots
	// are immutable, and who is told apart by pointer may take one out
	// (forget).
	newest map[string]*session.Snapshot

	closing   chan struct{} // closed: no more waiting between tries
	closeOnce sync.Once
}

func newPublisher(r *runner) *publisher {
	return &publisher{runner: r, newest: make(map[string]*session.Snapshot), closing: make(chan struct{})}
}

// close lets each pending publication try once more, without waiting, and
// returns when all are done, or ctx is. It returns how many are left.
func (p *publisher) close(ctx context.Context) (left int) {
	p.closeOnce.Do(func() { close(p.closing) })
	return p.pending.Close(ctx)
}

// newestOf returns snap with the newest credential that this process knows of
// and the ledger may not, or snap itself.
func (p *publisher) newestOf(snap *session.Snapshot) *session.Snapshot {
	p.mu.Lock()
	defer p.mu.Unlock()
	found := p.newest[snap.Keys.Session()]
	if found == nil || found.Record.Generation <= snap.Record.Generation {
		return snap
	}
	return snap.WithCredential(found.Record.Generation, found.Record.Credential)
}

// later takes over an attempt that came out unpublished; next is what it
// brought. It returns at once. It is remembered before anything is tried: a
// request that comes in between must find it. Where too many wait it is
// forgotten again, and only the requests of its own flight have it.
func (p *publisher) later(snap, next *session.Snapshot, a attempt) {
	p.remember(next)
	if !p.pending.Start(maxUnpublished, func() { p.publish(snap, next, &a) }) {
		p.gaveUp(next)
	}
}

// publish tries until the ledger takes the token: publishTries times, and on for
// as long as the token lives. a is its own from here on.
func (p *publisher) publish(snap, next *session.Snapshot, a *attempt) {
	// A token without an expiry is published until its session is over.
	for try := 0; try < publishTries || !p.expired(&next.Record.Credential) && !p.limits.PastEnd(&next.Record, p.limits.NowMillis()); try++ {
		// A ledger that is back must know before a request on another replica has
		// waited for AuthTimeout, and before the lease of the attempt's own claim
		// is over and another replica asks with the token before.
		pause := min(firstPublishWait<<min(try, 10), p.AuthTimeout/2)
		last := background.Sleep(pause/2+rand.N(pause/2+1), p.closing)
		// Both would tell the truth, but the older one must not take the newer
		// one's place here.
		if p.newestOf(next) != next {
			return // a still newer one, whose own attempt is pending
		}
		// The attempt looks before it swaps: the session may have ended
		// meanwhile, and then the token is an orphan
		// (TestATokenThatWasNotPublishedIsRevokedAfterSignOut).
		a.resume()
		p.run(snap, a)
		if a.result != verdictUnpublished {
			p.forget(next)
			return
		}
		if last {
			break
		}
	}
	p.gaveUp(next)
}

func (p *publisher) remember(next *session.Snapshot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.newest[next.Keys.Session()] = next
}

// forget goes by the pointer: a newer token of the session stays.
func (p *publisher) forget(gone *session.Snapshot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if key := gone.Keys.Session(); p.newest[key] == gone {
		delete(p.newest, key)
	}
}

// gaveUp tells the operator, for nobody else can do anything: an older cookie
// of the session comes with a token that ECGrid has ended.
func (p *publisher) gaveUp(next *session.Snapshot) {
	p.forget(next)
	p.Events.LedgerUnavailable(context.Background(), next, fmt.Errorf("%w: a refreshed token was not published", session.ErrUnavailable))
}
