package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync/atomic"
	"time"
)

// role names the environment variable that tells a process what it is.
const role = "ECGRIDSESSION_LOAD_ROLE"

// The roles.
const (
	roleServer    = "server"
	roleGenerator = "generator"
)

// patience is how long a process may take to end by itself.
const patience = 10 * time.Second

// childCalled tells whether the program can be started once more as a child: one
// that does not call Child would begin from the start, and start more of itself.
var childCalled atomic.Bool

// Child comes first in the main, or TestMain, of a program that calls [Measure].
// In a process that Measure has started it does that process's part and exits;
// in any other it returns at once.
func Child() {
	var part func(questions *json.Decoder, answers *json.Encoder) error
	switch os.Getenv(role) {
	case roleServer:
		part = runServer
	case roleGenerator:
		part = runGenerator
	default:
		childCalled.Store(true)
		return
	}
	// The end of stdin is the parent's wish that it ends, or the parent's own
	// end.
	if err := part(json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)); err != nil && !errors.Is(err, io.EOF) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// child is a process that answers questions: a JSON value each, by stdin and
// stdout.
type child struct {
	what      string
	cmd       *exec.Cmd
	stdin     io.Closer
	questions *json.Encoder
	answers   *json.Decoder
	complaint bytes.Buffer // its stderr, to be read when it has ended
}

// startChild starts this program in a role; start is the cmd's Start, or goes by
// it. It is killed when ctx ends.
func startChild(ctx context.Context, what string, procs int, start func(func() error) error) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("load: %s: %w", what, err)
	}
	c := &child{what: what, cmd: exec.CommandContext(ctx, self)}
	c.cmd.Env = append(os.Environ(), role+"="+what, "GOMAXPROCS="+strconv.Itoa(procs))
	c.cmd.Stderr = &c.complaint
	c.cmd.WaitDelay = patience
	stdin, err := c.cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("load: %s: %w", what, err)
	}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("load: %s: %w", what, err)
	}
	if err := start(c.cmd.Start); err != nil {
		return nil, fmt.Errorf("load: %s: %w", what, err)
	}
	c.stdin, c.questions, c.answers = stdin, json.NewEncoder(stdin), json.NewDecoder(stdout)
	return c, nil
}

// ask puts a question and waits for its answer.
func (c *child) ask(question, answer any) error {
	if err := c.questions.Encode(question); err != nil {
		return fmt.Errorf("load: %s: %w", c.what, err)
	}
	if err := c.answers.Decode(answer); err != nil {
		return fmt.Errorf("load: %s: no answer: %w", c.what, err)
	}
	return nil
}

// end lets the process end, and returns when it has.
func (c *child) end() error {
	c.stdin.Close() // its fault would be that the process has ended
	overdue := time.AfterFunc(patience, func() { c.cmd.Process.Kill() })
	defer overdue.Stop()
	if err := c.cmd.Wait(); err != nil {
		return fmt.Errorf("load: %s: %w: %s", c.what, err, bytes.TrimSpace(c.complaint.Bytes()))
	}
	return nil
}
