package ecgrid

import (
	"errors"
	"io"
	"sync"
	"time"
)

// peekTimeout is how long a call waits for the envelope of a 401. A body that stalls would otherwise hold the call until
// its context ends, which may be never: the caller may only want the status.
const peekTimeout = 2 * time.Second

var errBodyPanicked = errors.New("ecgrid: the body of the answer panicked")

// aheadBody is a body whose beginning is read ahead, in a goroutine, so that waiting for it can end before it does. The
// goroutine ends with the body, at the bound, at Close, or at the first byte that comes after the wait.
type aheadBody struct {
	original io.ReadCloser

	mu   sync.Mutex
	more sync.Cond // head or over has changed
	head []byte    // read ahead
	next int       // of head, for the caller
	over bool      // the goroutine reads no more
	err  error     // what it met; nil at the bound
	// left: the wait is over, so that a slow body is read by its owner alone.
	left bool
}

func readAhead(body io.ReadCloser) *aheadBody {
	b := &aheadBody{original: body}
	b.more.L = &b.mu
	go b.run()
	return b
}

// run reads one byte more than an envelope may have, which tells a long body from one that ends at the bound.
func (b *aheadBody) run() {
	chunk := make([]byte, 4<<10)
	for missing := maxAnswerBytes + 1; missing > 0; {
		n, err := b.read(chunk[:min(len(chunk), missing)])
		missing -= n
		b.mu.Lock()
		b.head = append(b.head, chunk[:n]...)
		b.over = err != nil || missing == 0 || b.left
		b.err = err
		over := b.over
		b.more.Broadcast()
		b.mu.Unlock()
		if over {
			return
		}
	}
}

// read contains a panic of the app's transport, for which no server would catch it here.
func (b *aheadBody) read(p []byte) (n int, err error) {
	defer func() {
		if recover() != nil {
			n, err = 0, errBodyPanicked
		}
	}()
	return b.original.Read(p)
}

// wait returns what was read ahead, and whether that is all of the body.
func (b *aheadBody) wait(limit time.Duration) (head []byte, whole bool) {
	late := false
	timer := time.AfterFunc(limit, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		late = true
		b.more.Broadcast()
	})
	defer timer.Stop()
	b.mu.Lock()
	defer b.mu.Unlock()
	for !b.over && !late {
		b.more.Wait()
	}
	b.left = true
	return b.head, b.err == io.EOF && len(b.head) <= maxAnswerBytes
}

// Read gives what was read ahead, then the rest.
func (b *aheadBody) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	b.mu.Lock()
	for b.next == len(b.head) && !b.over {
		b.more.Wait()
	}
	n := copy(p, b.head[b.next:])
	b.next += n
	err := b.err
	b.mu.Unlock()
	switch {
	case n > 0:
		return n, nil
	case err != nil:
		// The same failure at the same place, even from a body that would not repeat it.
		return 0, err
	}
	return b.original.Read(p)
}

// Close closes the original, so that the connection goes back to its pool or away as if nothing had been read ahead. It
// also ends a reading that stalls.
func (b *aheadBody) Close() error { return b.original.Close() }
