package ecgridsession

import (
	"context"
	"sync"
	"time"
)

// tasks counts the goroutines that outlive the request that started them, and
// who may yet start one, so that Close can wait for them. The zero value is
// ready.
type tasks struct {
	mu      sync.Mutex
	running int
	held    int
	over    bool          // close has returned
	drained chan struct{} // made by close, closed when there is nobody to wait for
}

// start runs f in a goroutine and tells whether it did: not over limit at once,
// and not after close has returned.
func (t *tasks) start(limit int, f func()) bool {
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

// hold makes close wait until release is called: for somebody who may yet start
// one.
func (t *tasks) hold() (release func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.held++
	return func() { t.finish(&t.held) }
}

// finish takes one off a count, and lets close return at the last.
func (t *tasks) finish(count *int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	*count--
	if t.running+t.held == 0 && t.drained != nil {
		close(t.drained)
		t.drained, t.over = nil, true
	}
}

// close waits until nobody is left, or for ctx, and lets none start after it. It
// returns how many are left.
func (t *tasks) close(ctx context.Context) (left int) {
	t.mu.Lock()
	if t.running+t.held == 0 {
		t.over = true
		t.mu.Unlock()
		return 0
	}
	if t.drained == nil {
		t.drained = make(chan struct{})
	}
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
	return t.running + t.held
}

// sleep waits for d and tells whether closing cut it short.
func sleep(d time.Duration, closing <-chan struct{}) (cutShort bool) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return false
	case <-closing:
		return true
	}
}
