package ecgridotel_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// TestNothingThatIsExportedShowsASecretOrAPerson goes through every kind of
// event, with ECGrid and the ledger failing, and searches all that the exporters
// get.
func TestNothingThatIsExportedShowsASecretOrAPerson(t *testing.T) {
	inBubble(t, func(t *testing.T, s *site) {
		visitors := s.everyKindOfEvent(t)

		secrets := map[string]string{
			"password": demo.Password, "password of the admin": admin.Password, "API key": demo.APIKey,
			"login": demo.Login, "login of the admin": admin.Login, "key of the site": "a-key-of-thirty-two-bytes-length",
			"user id": strconv.FormatInt(demo.ID, 10), "user id of the admin": strconv.FormatInt(admin.ID, 10),
		}
		for i, token := range s.tokens {
			// The signature: all tokens begin alike.
			secrets[fmt.Sprint("token ", i)] = token[strings.LastIndexByte(token, '.')+1:]
		}
		for _, v := range visitors {
			for _, cookie := range v.seen {
				if len(cookie) > 24 {
					// Past the version and the key's id, with which all begin.
					secrets["cookie "+cookie[16:24]] = cookie[16:]
				}
			}
		}
		require.Greater(t, len(secrets), 15, "tokens and cookies were met")

		exported := s.everythingExported()
		require.Contains(t, exported, "ecgridsession.logins")
		require.Contains(t, exported, "ecgridsession.ledger-unavailable")
		for name, secret := range secrets {
			for _, trace := range traces(secret) {
				assert.NotContains(t, exported, trace, name)
			}
		}
		for _, e := range s.events {
			if e.Session.Ref != "" {
				assert.NotContains(t, s.exportedMetrics(), e.Session.Ref, "each session would be a series of its own")
			}
		}
	}, func(cfg *ecgridsession.Config) { cfg.IdleTimeout = inADay })
}

// everyKindOfEvent makes each happen at least once.
func (s *site) everyKindOfEvent(t *testing.T) []*visitor {
	t.Helper()
	s.grid.SetRefreshTokens(true)
	v, byKeyed, everywhere := s.signedIn(), s.visitor(), s.visitor()
	byKeyed.post("/login", byKey(demo))
	everywhere.post("/login", byPassword(admin))
	time.Sleep(tokenTTL - time.Minute)
	v.get("/")
	s.grid.Inject(ecgridtest.Fault{Path: refreshCall, Status: 503, Delay: time.Second, Times: 1})
	everywhere.get("/")
	v.post("/login", byPassword(demo)) // in place of the session that was there
	refused := s.signedIn()
	s.grid.Inject(ecgridtest.Fault{Path: refreshCall, Status: 401, Delay: time.Second, Times: 1})
	time.Sleep(tokenTTL - time.Minute)
	refused.get("/")
	everywhere.post("/everywhere", nil)
	s.ledger.broken.Store(true)
	v.get("/")
	byKeyed.get("/")
	s.ledger.broken.Store(false)
	s.grid.Inject(ecgridtest.Fault{Path: logoutCall, Status: 503, Times: 1})
	v.post("/logout", nil)
	settle()
	v.post("/login", byPassword(demo))
	v.post("/everywhere", nil) // demo may not reset
	s.grid.Inject(ecgridtest.Fault{Path: logoutCall, Hang: true})
	v.post("/login", byPassword(demo))
	v.post("/logout", nil)
	settle()
	require.Equal(t, http.StatusUnauthorized, v.post("/login", url.Values{"login": {demo.Password}, "password": {demo.Login}}))
	forged := &visitor{s: s, cookie: strings.Repeat("forged", 20), seen: []string{strings.Repeat("forged", 20)}}
	forged.get("/")
	require.NoError(t, s.close())

	kinds := map[ecgridsession.EventKind]bool{}
	for _, e := range s.events {
		kinds[e.Kind] = true
	}
	for kind := ecgridsession.SessionStarted; kind <= ecgridsession.SignInFailed; kind++ {
		require.True(t, kinds[kind], "no event of kind %s", kind)
	}
	return []*visitor{v, byKeyed, everywhere, refused, forged}
}

// exportedMetrics is all that an exporter of metrics gets, as text.
func (s *site) exportedMetrics() string {
	s.t.Helper()
	var b strings.Builder
	for _, m := range s.collect() {
		fmt.Fprintf(&b, "%+v\n", m)
		inJSON, err := json.Marshal(m)
		require.NoError(s.t, err)
		b.Write(inJSON)
	}
	return b.String()
}

// everythingExported is that, and what an exporter of spans gets.
func (s *site) everythingExported() string {
	var b strings.Builder
	b.WriteString(s.exportedMetrics())
	for _, span := range s.spans.Ended() {
		fmt.Fprintf(&b, "%s %+v %+v %+v\n", span.Name(), span.Status(), span.Attributes(), span.Links())
		for _, e := range span.Events() {
			fmt.Fprintf(&b, "%s\n", e.Name)
			for _, kv := range e.Attributes {
				fmt.Fprintf(&b, "%s=%s\n", kv.Key, kv.Value.String())
			}
		}
	}
	return b.String()
}

// traces are the ways in which the first 8 characters of a secret could show.
func traces(secret string) []string {
	head := secret[:8]
	found := []string{head, hex.EncodeToString([]byte(head)), strings.ToUpper(hex.EncodeToString([]byte(head)))}
	for offset := range 3 {
		padded := append(make([]byte, offset), head...)
		for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			// Without the characters that also depend on what stands beside.
			found = append(found, enc.EncodeToString(padded)[(8*offset+5)/6:8*len(padded)/6])
		}
	}
	return found
}

// The search itself must find what it is for.
func TestTheSearchForSecretsFindsThem(t *testing.T) {
	const secret = "canary-secret-0123456789"
	for _, hidden := range []string{
		secret, "x" + secret[:8] + "y", hex.EncodeToString([]byte("a" + secret)), fmt.Sprintf("%X", secret),
		base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte("a" + secret)),
		base64.URLEncoding.EncodeToString([]byte("ab" + secret)),
	} {
		assert.True(t, slices.ContainsFunc(traces(secret), func(n string) bool { return strings.Contains(hidden, n) }), hidden)
	}
}
