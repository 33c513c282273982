package ecgrid

import (
	"context"
	"time"
)

// The calls that may be under way at once, by their purpose. Together with the sign-outs of package revoke they are no more
// than the connections of a [PrivateTransport], so that sign-outs and refreshes never wait behind the
// sign-ins that anyone may send to a slow ECGrid.
const (
	MaxSignIns   = 64
	MaxRefreshes = 64
)

// busyRetryAfter is when a sign-in that found no place may be tried again. It is about the time that a call may take.
const busyRetryAfter = 5 * time.Second

// Room bounds the calls of one purpose that are under way at once. The zero value has no bound.
type Room struct{ places chan struct{} }

// NewRoom returns a room for so many calls.
func NewRoom(places int) Room { return Room{make(chan struct{}, places)} }

// Enter waits for a place, within ctx and patience, and returns what gives it back. Its error is an [*Error] for a call that
// was not made and may be tried again.
func (r Room) Enter(ctx context.Context, patience time.Duration) (leave func(), err error) {
	if r.places == nil {
		return func() {}, nil
	}
	select {
	case r.places <- struct{}{}:
		return r.leave, nil
	default:
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case r.places <- struct{}{}:
		return r.leave, nil
	case <-timer.C:
		return nil, &Error{Reason: reasonBusy, RetryAfter: busyRetryAfter}
	case <-ctx.Done():
		return nil, unanswered(ctx, ctx.Err())
	}
}

func (r Room) leave() { <-r.places }
