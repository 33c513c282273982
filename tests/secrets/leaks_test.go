package secrets

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// leaks collects everything that an app, an operator or a browser gets to
// see, and every secret that none of it may show.
type leaks struct {
	mu      sync.Mutex
	shown   map[string]struct{} // each only once
	cookies map[string]struct{} // the same for lines that set a session cookie
	secrets map[string]string   // by a name, from the distinctive character on
}

func (tt *leaks) show(v any) {
	text := site.EveryVerb(v)
	if inJSON, err := json.Marshal(v); err == nil {
		text += string(inJSON)
	}
	if err, ok := v.(error); ok {
		text += showErrors(err)
	}
	tt.mu.Lock()
	defer tt.mu.Unlock()
	tt.shown[text] = struct{}{}
}

// showErrors prints an error and all that it wraps.
func showErrors(err error) string {
	text := site.EveryVerb(err)
	switch wrapping := err.(type) {
	case interface{ Unwrap() error }:
		if inner := wrapping.Unwrap(); inner != nil {
			text += showErrors(inner)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range wrapping.Unwrap() {
			text += showErrors(inner)
		}
	}
	return text
}

func (tt *leaks) secret(name, value string) {
	if value == "" {
		return
	}
	tt.mu.Lock()
	defer tt.mu.Unlock()
	for _, known := range tt.secrets {
		if known == value {
			return
		}
	}
	tt.secrets[fmt.Sprintf("%s %d", name, len(tt.secrets))] = value
}

// credential notes the secrets of one.
func (tt *leaks) credential(c ecgridsession.Credential) {
	if c.Token != "" {
		tt.secret("token", site.Distinctive(c.Token))
		// A cookie and a ledger entry hold the parts of a token decoded.
		signature, err := base64.RawURLEncoding.DecodeString(site.Distinctive(c.Token))
		if err == nil {
			tt.secret("signature", string(signature))
		}
		// Its claims, past what every token of the user begins with.
		claims := c.Token[:strings.LastIndexByte(c.Token, '.')]
		tt.secret("claims", claims[len(claims)-32:])
	}
	tt.secret("refresh token", c.RefreshToken)
	tt.secret("API key", c.APIKey)
}

// answer takes in the body of an answer and its headers. A session cookie is
// where its own value belongs; it is held to show nothing else.
func (tt *leaks) answer(a site.Answer) {
	for name, values := range a.Header {
		for _, value := range values {
			if name == "Set-Cookie" && strings.HasPrefix(value, "__Host-ecgrid=") {
				c, err := http.ParseSetCookie(value)
				if err != nil {
					tt.show("a cookie that does not parse: " + value)
					continue
				}
				if c.Value != "" {
					// Past version, key id and the first of the nonce.
					tt.secret("cookie", c.Value[16:])
				}
				tt.show(fmt.Sprint(c.MaxAge, c.Path, c.Domain, c.Unparsed))
				tt.mu.Lock()
				tt.cookies[value] = struct{}{}
				tt.mu.Unlock()
				continue
			}
			tt.show(name + ": " + value)
		}
	}
	tt.show(a.Text)
	tt.show(a.Request.URL.String())
}

// verdict looks for every secret in all that was shown.
func (tt *leaks) verdict(t *testing.T) {
	t.Helper()
	tt.mu.Lock()
	defer tt.mu.Unlock()
	require.NotEmpty(t, tt.secrets)
	site.AssertNoSecret(t, joined(tt.shown), tt.secrets)
	others := make(map[string]string)
	for name, value := range tt.secrets {
		if !strings.HasPrefix(name, "cookie") {
			others[name] = value
		}
	}
	site.AssertNoSecret(t, joined(tt.cookies), others)
}

func joined(texts map[string]struct{}) string {
	return strings.Join(slices.Collect(maps.Keys(texts)), "\n")
}

// recordingLedger is a ledger that keeps all that it was ever given, and breaks when
// told to.
type recordingLedger struct {
	ecgridsession.Ledger
	leaks  *leaks
	broken atomic.Bool
}

var errLedgerBroken = errors.New("the ledger is broken")

func (l *recordingLedger) Load(ctx context.Context, keys ...string) ([][]byte, error) {
	for _, key := range keys {
		l.dump(key)
	}
	if l.broken.Load() {
		return nil, errLedgerBroken
	}
	return l.Ledger.Load(ctx, keys...)
}

func (l *recordingLedger) CompareAndSwap(ctx context.Context, key string, old, next []byte, ttl time.Duration) (bool, error) {
	l.dump(key, string(old), string(next))
	if l.broken.Load() {
		return false, errLedgerBroken
	}
	return l.Ledger.CompareAndSwap(ctx, key, old, next, ttl)
}

func (l *recordingLedger) dump(parts ...string) {
	l.leaks.mu.Lock()
	defer l.leaks.mu.Unlock()
	for _, part := range parts {
		l.leaks.shown[part] = struct{}{}
	}
}
