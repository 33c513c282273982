package load

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// order is what the generator is asked to do: to send one request over and over.
type order struct {
	Addr    string
	Request []byte
	Length  int // of the right answer's body
	Conns   int
	Lead    time.Duration // loaded, but not counted
	Slice   time.Duration
}

// count is what came of an order.
type count struct {
	All     int64         // requests answered, from the first
	Counted int64         // those answered after the lead
	Took    time.Duration // from the end of the lead to the last answer

	Processor time.Duration // that the generator has had for the order
}

// runGenerator is the generator's process: it carries out orders until there are
// no more.
func runGenerator(orders *json.Decoder, counts *json.Encoder) error {
	g := generator{conns: make(map[string][]*conn)}
	for {
		var o order
		if err := orders.Decode(&o); err != nil {
			return err
		}
		before, err := processorTime()
		if err != nil {
			return err
		}
		c, err := g.carryOut(o)
		if err != nil {
			return err
		}
		after, err := processorTime()
		if err != nil {
			return err
		}
		c.Processor = after - before
		if err := counts.Encode(c); err != nil {
			return err
		}
	}
}

// generator keeps its connections from one order to the next.
type generator struct{ conns map[string][]*conn }

// carryOut loads one app. Any answer but the right one is an error: an app that
// fails fast would look like a fast app.
func (g *generator) carryOut(o order) (count, error) {
	for len(g.conns[o.Addr]) < o.Conns {
		c, err := dial(o.Addr)
		if err != nil {
			return count{}, err
		}
		g.conns[o.Addr] = append(g.conns[o.Addr], c)
	}
	conns := g.conns[o.Addr][:o.Conns]
	counts, faults := make([]count, len(conns)), make([]error, len(conns))
	begin := time.Now().Add(o.Lead)
	end := begin.Add(o.Slice)
	var all sync.WaitGroup
	for i, c := range conns {
		all.Go(func() { counts[i], faults[i] = c.load(&o, begin, end) })
	}
	all.Wait()
	sum := count{Took: time.Since(begin)}
	for _, c := range counts {
		sum.All += c.All
		sum.Counted += c.Counted
	}
	return sum, errors.Join(faults...)
}

// load sends the request on one connection until the end.
func (c *conn) load(o *order, begin, end time.Time) (n count, err error) {
	if err := c.net.SetDeadline(end.Add(exchangeTimeout)); err != nil {
		return n, err
	}
	for {
		status, length, err := c.exchange(o.Request)
		if err != nil {
			return n, err
		}
		if status != http.StatusOK || length != o.Length {
			return n, fmt.Errorf("answer of status %d and %d bytes instead of 200 and %d", status, length, o.Length)
		}
		n.All++
		now := time.Now()
		if !now.Before(begin) {
			n.Counted++
		}
		if !now.Before(end) {
			return n, nil
		}
	}
}
