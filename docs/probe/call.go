package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// answer is what came back. Nothing of it is printed but names, types, codes and times.
type answer struct {
	status    int
	header    http.Header
	fields    map[string]json.RawMessage // of the body; nil if it is no JSON object
	data      map[string]json.RawMessage // of the envelope; nil if it is no object
	enveloped bool
	success   bool
	code      string
	now       time.Time // when it came
}

// credential is one header of a call.
type credential struct{ name, value string }

func bearer(token string) credential { return credential{"Authorization", "Bearer " + token} }

// call makes one request. Its errors are fixed words: those of net/http may quote what the peer sent.
func (p *probe) call(ctx context.Context, method, path string, c credential, body map[string]string) (*answer, error) {
	var reader io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return nil, errors.New("the body cannot be encoded")
		}
		reader = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, method, p.base.String()+path, reader)
	if err != nil {
		return nil, errors.New("the request cannot be made")
	}
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.name != "" {
		req.Header[c.name] = []string{c.value} // X-API-Key is spelled exactly so
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, errors.New(reason(err))
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 8<<20))
	if err != nil {
		return nil, errors.New("the answer broke off")
	}
	a := &answer{status: resp.StatusCode, header: resp.Header, now: time.Now()}
	if json.Unmarshal(text, &a.fields) != nil {
		a.fields = nil
	}
	a.enveloped = json.Unmarshal(a.fields["success"], &a.success) == nil
	_ = json.Unmarshal(a.fields["errorCode"], &a.code) // null and no text are no code
	if json.Unmarshal(a.fields["data"], &a.data) != nil {
		a.data = nil
	}
	return a, nil
}

func reason(err error) string {
	var dns *net.DNSError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &dns):
		return "the name of the host is not found"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time"
	}
	return "no answer"
}

// text is a field of the data that is a string.
func (a *answer) text(name string) (s string, ok bool) {
	ok = json.Unmarshal(a.data[name], &s) == nil && s != ""
	return s, ok
}

// secrets are all strings in an object, whatever their names.
func secrets(fields map[string]json.RawMessage) (found []string) {
	for _, raw := range fields {
		var s string
		if json.Unmarshal(raw, &s) == nil && len(s) >= 8 {
			found = append(found, s)
		}
	}
	return found
}

// names are the fields of an object with their types.
func names(fields map[string]json.RawMessage) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		all = append(all, word(name)+" "+kind(fields[name]))
	}
	return strings.Join(all, ", ")
}

func kind(raw json.RawMessage) string {
	switch text := strings.TrimLeft(string(raw), " \t\r\n"); {
	case text == "":
		return "nothing"
	case text == "null":
		return "null"
	case text == "true" || text == "false":
		return "bool"
	case text[0] == '"':
		return "string"
	case text[0] == '{':
		return "object"
	case text[0] == '[':
		return "array"
	}
	return "number"
}

// outline is an answer in words.
func (a *answer) outline() string {
	switch {
	case a.enveloped:
		return fmt.Sprintf("%d, envelope with success %t and errorCode %s", a.status, a.success, word(a.code))
	case a.fields != nil:
		return fmt.Sprintf("%d, a JSON object without success: %s", a.status, names(a.fields))
	}
	return fmt.Sprintf("%d, no JSON object", a.status)
}

// challenge reports whether the answer says that the token is invalid, as RFC 6750 has it.
func (a *answer) challenge() bool {
	for _, line := range a.header.Values("WWW-Authenticate") {
		if strings.HasPrefix(strings.ToLower(line), "bearer") && strings.Contains(line, "invalid_token") {
			return true
		}
	}
	return false
}
