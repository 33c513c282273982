package load

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"strconv"
	"time"
)

// conn is an HTTP/1.1 connection that costs its user little: the request is
// ready in bytes, and of the answer nothing is kept but what tells whether it is
// the right one. net/http's client would take longer over a request than the
// apps over the answer.
type conn struct {
	net net.Conn
	in  *bufio.Reader
}

// exchangeTimeout bounds one request and its answer.
const exchangeTimeout = 10 * time.Second

func dial(addr string) (*conn, error) {
	c, err := net.DialTimeout("tcp", addr, exchangeTimeout)
	if err != nil {
		return nil, err
	}
	return &conn{net: c, in: bufio.NewReader(c)}, nil
}

// exchange sends a request and reads the answer to its end.
func (c *conn) exchange(request []byte) (status, length int, err error) {
	if _, err := c.net.Write(request); err != nil {
		return 0, 0, err
	}
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return 0, 0, err
	}
	const before = len("HTTP/1.1 ")
	if len(line) < before+len("200") || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return 0, 0, fmt.Errorf("no answer in HTTP/1.1: %q", line)
	}
	if status, err = strconv.Atoi(string(line[before : before+len("200")])); err != nil {
		return 0, 0, fmt.Errorf("no status: %q", line)
	}
	length = -1
	for {
		if line, err = c.in.ReadSlice('\n'); err != nil {
			return 0, 0, err
		}
		if len(line) == len("\r\n") {
			break
		}
		// net/http's server has one spelling of it.
		if value, found := bytes.CutPrefix(line, []byte("Content-Length: ")); found {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return 0, 0, fmt.Errorf("no length: %q", line)
			}
		}
	}
	if length < 0 {
		return 0, 0, fmt.Errorf("an answer of status %d without a length", status)
	}
	_, err = c.in.Discard(length)
	return status, length, err
}
