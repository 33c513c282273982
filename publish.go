package ecgridsession

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
)

// publisher tells the ledger of the tokens that it could not be told of when
// they came. Until then this process alone knows them, and whoever comes with
// an older cookie gets them here: asking ECGrid with the token before would end
// the session.
type publisher struct {
	f       *refresher
	pending tasks

	mu     sync.Mutex
	newest map[string]*snapshot // by the ledger's key of the session

	closing   chan struct{} // closed: no more waiting between tries
	closeOnce sync.Once
}

func newPublisher(f *refresher) *publisher {
	return &publisher{f: f, newest: make(map[string]*snapshot), closing: make(chan struct{})}
}

// close lets each pending publication try once more, without waiting, and
// returns when all are done, or ctx is. It returns how many are left.
func (p *publisher) close(ctx context.Context) (left int) {
	p.closeOnce.Do(func() { close(p.closing) })
	return p.pending.close(ctx)
}

// newestOf returns snap with the newest credential that this process knows of
// and the ledger may not, or snap itself.
func (p *publisher) newestOf(snap *snapshot) *snapshot {
	p.mu.Lock()
	defer p.mu.Unlock()
	found := p.newest[snap.keys.session()]
	if found == nil || found.record.Generation <= snap.record.Generation {
		return snap
	}
	next := *snap
	next.record.Generation, next.record.Credential = found.record.Generation, found.record.Credential
	return &next
}

// later takes over an attempt that came out unpublished; next is what it
// brought. It returns at once.
func (p *publisher) later(snap, next *snapshot, a attempt) {
	p.remember(next)
	if !p.pending.start(maxUnpublished, func() { p.run(snap, next, &a) }) {
		p.gaveUp(next)
	}
}

func (p *publisher) run(snap, next *snapshot, a *attempt) {
	for try := 0; try < maxUnanswered || !p.f.expired(&next.record.Credential); try++ {
		// A ledger that is back must know before the lease of the attempt's own
		// claim is over, and another replica asks with the token before.
		pause := min(firstRetryWait<<min(try, 10), p.f.lease()/4)
		last := sleep(pause/2+rand.N(pause/2+1), p.closing)
		if p.newestOf(next) != next {
			return // a still newer one, whose own attempt is pending
		}
		a.resume()
		p.f.run(snap, a)
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

func (p *publisher) remember(next *snapshot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.newest[next.keys.session()] = next
}

func (p *publisher) forget(gone *snapshot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if key := gone.keys.session(); p.newest[key] == gone {
		delete(p.newest, key)
	}
}

func (p *publisher) gaveUp(next *snapshot) {
	p.forget(next)
	p.f.m.emit(context.Background(), Event{
		Kind: LedgerUnavailable, Session: p.f.m.describe(next), Err: fmt.Errorf("%w: a refreshed token was not published", ErrLedgerUnavailable),
	})
}
