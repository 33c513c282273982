package ecgridtest

import "time"

// A Call is one request that reached the fake ECGrid. It holds no token, key,
// password, body or query.
type Call struct {
	Method string
	Path   string // without the query

	// Status is the status of the answer. 0: the call is still under way, its
	// connection was cut by a fault, or the caller went away before the answer.
	Status int

	// Kind is the credential header that came: "bearer" for Authorization,
	// whatever its scheme, "apikey" for X-API-Key alone, or "none". Login and
	// refresh carry theirs in the body, and count as "none".
	Kind string

	// At is when the call arrived.
	At time.Time
}

// Calls returns the calls to a path, to the letter and without a query, in the
// order in which they arrived; "" stands for every path. A call is in it from
// its arrival on, and has its Status before the caller has the answer. The
// caller may keep and modify what it gets.
//
// The latest 1,048,576 calls, to all paths together, are kept.
func (a *API) Calls(path string) []Call {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.calls.list(path)
}

// A callLog is a ring of the latest calls. Calls are numbered from 0, and the
// place of a call is its number modulo limit. It is a ring because an API may
// run for days in an example, and a slice that is cut from the front keeps what
// was cut. It has no lock of its own: the API's guards it.
type callLog struct {
	limit uint64
	next  uint64 // number of the next call
	ring  []Call
}

func (l *callLog) add(c Call) (number uint64) {
	number = l.next
	l.next++
	if uint64(len(l.ring)) < l.limit {
		l.ring = append(l.ring, c)
	} else {
		l.ring[number%l.limit] = c
	}
	return number
}

// setStatus does nothing for a call whose place a later one has taken.
func (l *callLog) setStatus(number uint64, status int) {
	if l.next-number <= l.limit {
		l.ring[number%l.limit].Status = status
	}
}

// list gives copies, the oldest first: the log goes on under the lock while the
// test reads.
func (l *callLog) list(path string) []Call {
	var calls []Call
	for number := l.next - uint64(len(l.ring)); number < l.next; number++ {
		if c := l.ring[number%l.limit]; path == "" || c.Path == path {
			calls = append(calls, c)
		}
	}
	return calls
}
