// Package background counts goroutines that outlive the request which started
// them, so that a shutdown can wait for them.
//
// It promises that nothing starts after Close has returned, and that Close waits
// no longer than its context. It does not know what the goroutines do, and stops
// none of them. Their owners have contexts for that.
package background

import (
	"context"
	"sync"
	"time"
)

// Tasks counts the goroutines that outlive the request that started them, and
// who may yet start one, so that Close can wait for them. The zero value is
// ready.
//
// There is one in each place that works beyond its request: the refreshes under
// way, the publications and the revocations. A WaitGroup does not do, since it
// may not be added to once somebody waits at zero, and cannot be waited for no
// longer than a context; and an app that is shutting down still answers
// requests that start some.
type Tasks struct {
	mu sync.Mutex
	// running and held are two counts so that limit is of goroutines alone: a
	// sign-out that may start one takes nobody's place.
	running int
	held    int
	// over: Close has returned, or nobody was left for it. Nothing starts any
	// more.
	over    bool
	drained chan struct{} // made by Close, closed when there is nobody to wait for
}

// Start runs f in a goroutine and tells whether it did: not over limit at once,
// and not after Close has returned. f is never called in the caller's
// goroutine, and who is refused has to tell what is left undone.
func (t *Tasks) Start(limit int, f func()) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over || t.running >= limit {
		return false
	}
	t.running++
	go func() {
		defer t.finish(&t.running)
		f()
	}()
	return true
}

// Hold makes Close wait until release is called: for somebody who may yet start
// one. release is called once.
func (t *Tasks) Hold() (release func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.held++
	return func() { t.finish(&t.held) }
}

// finish takes one off a count, and lets Close return at the last.
func (t *Tasks) finish(count *int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	*count--
	if t.running+t.held == 0 && t.drained != nil {
		close(t.drained)
		t.drained, t.over = nil, true
	}
}

// Close waits until nobody is left, or for ctx, and lets none start after it.
// It returns how many are left. It may be called more than once, and by several
// at a time. What goes on after it has given up is not stopped by it: that is
// what the owners' contexts are for.
func (t *Tasks) Close(ctx context.Context) (left int) {
	t.mu.Lock()
	if t.running+t.held == 0 {
		t.over = true
		t.mu.Unlock()
		return 0
	}
	if t.drained == nil {
		t.drained = make(chan struct{})
	}
	// The channel is taken under the lock, since finish forgets it when it has
	// closed it.
	drained := t.drained
	t.mu.Unlock()

	select {
	case <-drained:
		return 0
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = true
	// Those that are left may still finish, and start nothing.
	return t.running + t.held
}

// Sleep waits for d and tells whether closing cut it short. The channel is one
// that is closed and never sent to: each that sleeps sees it.
func Sleep(d time.Duration, closing <-chan struct{}) (cutShort bool) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return false
	case <-closing:
		return true
	}
}
