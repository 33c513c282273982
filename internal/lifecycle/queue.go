package lifecycle

import "container/heap"

// kept is a session in use. The keeper's mutex guards it.
type kept struct {
	key        string // of the session in the ledger
	sealed     []byte // its record
	generation uint64
	expires    int64 // its token, in ms
	at         int64 // when its token is to be refreshed, in ms
	used       int64 // its last use that this process knows of, in ms
	place      int   // in the queue; -1: not in it, because it is being refreshed
}

// queue holds sessions by the time of their refresh, the next one first.
type queue []*kept

func (q *queue) add(e *kept)    { heap.Push((*byTime)(q), e) }
func (q *queue) remove(e *kept) { heap.Remove((*byTime)(q), e.place) }

// byTime implements heap.Interface.
type byTime queue

func (q byTime) Len() int           { return len(q) }
func (q byTime) Less(i, j int) bool { return q[i].at < q[j].at }

func (q byTime) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

func (q *byTime) Push(x any) {
	e := x.(*kept)
	e.place = len(*q)
	*q = append(*q, e)
}

func (q *byTime) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last], *q = nil, (*q)[:last]
	e.place = -1
	return e
}
