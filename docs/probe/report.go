package main

import (
	"fmt"
	"io"
	"regexp"
	"strings"
)

// report prints what was found. Every line goes through it, so that no secret gets past.
type report struct {
	out     io.Writer
	hidden  []string
	differs int
}

// hide keeps secrets out of all lines from now on.
func (r *report) hide(secrets ...string) {
	for _, secret := range secrets {
		if secret != "" {
			r.hidden = append(r.hidden, secret)
		}
	}
}

func (r *report) line(kind, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	for _, secret := range r.hidden {
		text = strings.ReplaceAll(text, secret, "[redacted]")
	}
	fmt.Fprintf(r.out, "%-8s %s\n", kind, text)
}

// part begins a part of the report.
func (r *report) part(title string) { fmt.Fprintf(r.out, "\n%s\n", title) }

// same is what the library assumes.
func (r *report) same(format string, args ...any) { r.line("assumed", format, args...) }

// taken is something else, which the library takes as well.
func (r *report) taken(format string, args ...any) { r.line("taken", format, args...) }

// note is what the library assumes nothing about.
func (r *report) note(format string, args ...any) { r.line("note", format, args...) }

// other is something that the library does not take.
func (r *report) other(format string, args ...any) {
	r.differs++
	r.line("DIFFERS", format, args...)
}

// check is same or other.
func (r *report) check(ok bool, said, found string, args ...any) {
	if ok {
		r.same("%s", said)
		return
	}
	r.other(said+": "+found, args...)
}

var plain = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,39}$`)

// word is a name or a code that the service sent, if it is one. Anything else may be a value.
func word(s string) string {
	if plain.MatchString(s) {
		return s
	}
	if s == "" {
		return "none"
	}
	return fmt.Sprintf("(text of %d bytes)", len(s))
}
