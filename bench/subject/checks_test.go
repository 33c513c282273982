package subject_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/bench/subject"
)

var deletion = "c=; Max-Age=0"

func TestARefusalThatIsNoneIsNotMeasured(t *testing.T) {
	refuse := func(_ http.ResponseWriter, refused *bool) { *refused = true }
	deleting := func(w http.ResponseWriter, refused *bool) {
		*refused = true
		w.Header().Set("Set-Cookie", deletion)
	}
	open := func(http.ResponseWriter, *bool) {}
	assert.NoError(t, subject.Refusing(refuse, false))
	assert.NoError(t, subject.Refusing(deleting, true))
	assert.ErrorIs(t, subject.Refusing(open, false), subject.ErrIdle)
	assert.ErrorIs(t, subject.Refusing(refuse, true), subject.ErrIdle)
	assert.ErrorIs(t, subject.Refusing(deleting, false), subject.ErrIdle)
}

func TestACookieThatIsNotSetIsNotMeasured(t *testing.T) {
	broken := errors.New("broken")
	set := func(lines ...string) func(http.ResponseWriter) error {
		return func(w http.ResponseWriter) error {
			w.Header()["Set-Cookie"] = lines
			return nil
		}
	}
	assert.NoError(t, subject.Setting(set("c=0123456789"), 10))
	assert.ErrorIs(t, subject.Setting(set("c=0"), 10), subject.ErrIdle)
	assert.ErrorIs(t, subject.Setting(set(), 10), subject.ErrIdle)
	assert.ErrorIs(t, subject.Setting(set("c=0123456789", "c=0123456789"), 10), subject.ErrIdle)
	assert.ErrorIs(t, subject.Setting(func(http.ResponseWriter) error { return broken }, 10), broken)
}

// attaching is a RoundTripper that does that to the request before it goes on.
type attaching struct {
	base http.RoundTripper
	do   func(*http.Request) *http.Request
}

func (a attaching) RoundTrip(req *http.Request) (*http.Response, error) {
	return a.base.RoundTrip(a.do(req))
}

func TestACallWithoutItsTokenIsNotMeasured(t *testing.T) {
	on := func(do func(*http.Request) *http.Request) func(http.RoundTripper) http.RoundTripper {
		return func(base http.RoundTripper) http.RoundTripper { return attaching{base, do} }
	}
	attach := func(value string) func(req *http.Request) *http.Request {
		return func(req *http.Request) *http.Request {
			out := req.Clone(req.Context())
			out.Header.Set("Authorization", value)
			return out
		}
	}
	assert.NoError(t, subject.Calling("Bearer a", on(attach("Bearer a"))))
	assert.ErrorIs(t, subject.Calling("Bearer a", on(attach("Bearer b"))), subject.ErrIdle)
	assert.ErrorIs(t, subject.Calling("Bearer a", on(func(req *http.Request) *http.Request { return req })), subject.ErrIdle)
	assert.ErrorIs(t, subject.Calling("Bearer a", on(func(req *http.Request) *http.Request {
		req.Header.Set("Authorization", "Bearer a") // the caller's own
		return req
	})), subject.ErrIdle)
}

func TestTheLimitDecodesBase64(t *testing.T) {
	for n := range 100 {
		plain := []byte(strings.Repeat("\x00\xffz~", 25)[:n])
		text := base64.RawURLEncoding.EncodeToString(plain)
		got := make([]byte, n)
		require.True(t, subject.Decode(got, text), "%d bytes", n)
		require.Equal(t, plain, got)
		for i := range text {
			require.False(t, subject.Decode(got, text[:i]+"+"+text[i+1:]), "%d bytes, letter %d", n, i)
		}
	}
}

func TestTheCompactSerializerGivesBackWhatItTook(t *testing.T) {
	values := map[any]any{"token": strings.Repeat("t", 700), "": "", "login": "demo"}
	text, err := subject.CompactCodec.Serialize(values)
	require.NoError(t, err)
	var back map[any]any
	require.NoError(t, subject.CompactCodec.Deserialize(text, &back))
	assert.Equal(t, values, back)
}

func TestTheCompactSerializerRefusesWhatIsNotItsOwn(t *testing.T) {
	var values map[any]any
	for name, err := range map[string]error{
		"cut short":       subject.CompactCodec.Deserialize([]byte("\x01a\x05b"), &values),
		"no value":        subject.CompactCodec.Deserialize([]byte("\x01a"), &values),
		"length too long": subject.CompactCodec.Deserialize([]byte(strings.Repeat("\xff", 11)), &values),
		"another type":    subject.CompactCodec.Deserialize(nil, new(string)),
	} {
		assert.ErrorIs(t, err, subject.ErrCompact, name)
	}
	for _, src := range []any{"text", map[any]any{1: "a"}, map[any]any{"a": 1}} {
		_, err := subject.CompactCodec.Serialize(src)
		assert.ErrorIs(t, err, subject.ErrCompact)
	}
}
