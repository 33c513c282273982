package site

import (
	"bytes"
	"context"
	"sync"

	"github.com/ecgrid-contrib/ecgridsession"
)

// EventLog collects events.
type EventLog struct {
	mu     sync.Mutex
	events []ecgridsession.Event
}

// Add takes an event: it is a Config.OnEvent.
func (l *EventLog) Add(_ context.Context, e ecgridsession.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
}

// Of returns the events of a kind up to now.
func (l *EventLog) Of(kind ecgridsession.EventKind) []ecgridsession.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []ecgridsession.Event
	for _, e := range l.events {
		if e.Kind == kind {
			found = append(found, e)
		}
	}
	return found
}

// LogBuffer is a log that can be read while it is written.
type LogBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements [io.Writer].
func (l *LogBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// String returns what was logged up to now.
func (l *LogBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
