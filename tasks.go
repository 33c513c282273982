package ecgridsession

import (
	"context"
	"sync"
)

// tasks counts the goroutines that outlive the request that started them, so
// that Close can wait for them. The zero value is ready.
type tasks struct {
	mu      sync.Mutex
	running int
	closed  bool
	drained chan struct{} // made by close, closed when none is running any more
}

// start runs f in a goroutine and tells whether it did: not after close, and
// not over limit at once.
func (t *tasks) start(limit int, f func()) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || t.running >= limit {
		return false
	}
	t.running++
	go func() {
		defer t.finish()
		f()
	}()
	return true
}

func (t *tasks) finish() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.running--
	if t.running == 0 && t.drained != nil {
		close(t.drained)
		t.drained = nil
	}
}

// close lets none start any more and waits for those that run, or for ctx. It
// returns how many are left.
func (t *tasks) close(ctx context.Context) (left int) {
	t.mu.Lock()
	t.closed = true
	if t.running == 0 {
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
	return t.running
}
