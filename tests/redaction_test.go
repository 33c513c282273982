package tests

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession"
)

// showsNothingOf looks for a secret: raw, in base64 and hex, as a list of
// numbers, and by its first 8 bytes.
func showsNothingOf(t *testing.T, shown string, secret []byte) {
	t.Helper()
	head := secret[:8]
	numbers := strings.Trim(fmt.Sprint(head), "[]")
	for _, form := range []string{
		string(head), numbers, strings.ReplaceAll(numbers, " ", ","), strings.ReplaceAll(numbers, " ", ", "),
		base64.RawStdEncoding.EncodeToString(head)[:8], base64.RawURLEncoding.EncodeToString(head)[:8],
		hex.EncodeToString(head), strings.ToUpper(hex.EncodeToString(head)),
		strings.Trim(fmt.Sprintf("%#v", head), "[]byte{}"),
	} {
		require.NotContains(t, shown, form)
	}
}

func TestACookieStoreAndItsConfigShowNoKey(t *testing.T) {
	key := []byte("canary-key-of-exactly-32-bytes!!")
	cfg := ecgridsession.CookieStoreConfig{Keys: [][]byte{key}, ReadAlso: securecookie.CodecsFromPairs(key, key)}
	for _, shown := range shownInEveryWay(t, cfg, &cfg, newStore(t, cfg), struct {
		C ecgridsession.CookieStoreConfig
	}{cfg}) {
		showsNothingOf(t, shown, key)
	}
	assert.Equal(t, "ecgridsession.CookieStoreConfig{Keys: [1 redacted], ReadAlso: 1 codecs}", fmt.Sprint(cfg))
}

// shownInEveryWay is what fmt, JSON and slog make of values.
func shownInEveryWay(t *testing.T, values ...any) []string {
	t.Helper()
	var all []string
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%q", "%s", "%x", "%X", "%d"} {
			all = append(all, fmt.Sprintf(verb, v))
		}
		text, err := json.Marshal(v)
		if err != nil {
			text = []byte(err.Error()) // not everything can be marshalled
		}
		logs := &logBuffer{}
		slog.New(slog.NewTextHandler(logs, nil)).Info("m", "v", v)
		slog.New(slog.NewJSONHandler(logs, nil)).Info("m", "v", v)
		all = append(all, string(text), logs.String())
	}
	return all
}

func TestAConfigShowsNoSecretHoweverItIsPrinted(t *testing.T) {
	key := []byte("canary-key-of-exactly-32-bytes!!")
	cfg := ecgridsession.Config{
		Keys:     [][]byte{key, key},
		Upstream: "https://rest.ecgrid.io/v2",
		Store:    sessions.NewCookieStore(key),
	}
	type holder struct {
		Name   string
		Config ecgridsession.Config
	}
	const want = `ecgridsession.Config{Upstream: "https://rest.ecgrid.io/v2", CookieName: "", Keys: [2 redacted]}`
	for _, shown := range shownInEveryWay(t, cfg, &cfg, holder{"h", cfg}, []ecgridsession.Config{cfg}, map[string]any{"c": cfg}) {
		showsNothingOf(t, shown, key)
		assert.Contains(t, strings.ReplaceAll(shown, `\"`, `"`), "2 redacted")
	}
	assert.Equal(t, want, cfg.String())
	assert.Equal(t, want, cfg.GoString())
	assert.Equal(t, want, cfg.LogValue().String())
	text, err := cfg.MarshalText()
	require.NoError(t, err)
	assert.Equal(t, want, string(text))
}

func TestAConfigShowsNothingOfAnUpstreamThatHoldsASecret(t *testing.T) {
	secret := []byte("canarypw-0123")
	for _, upstream := range []string{
		"https://user:canarypw-0123@rest.ecgrid.io", "https://canarypw-0123@rest.ecgrid.io",
		"https://rest.ecgrid.io/?key=canarypw-0123", "https://rest.ecgrid.io/#canarypw-0123",
		"canarypw-0123", "canarypw-0123:x", "https://user:canarypw-0123@%zz",
	} {
		cfg := ecgridsession.Config{Upstream: upstream}
		for _, shown := range shownInEveryWay(t, cfg) {
			showsNothingOf(t, shown, secret)
		}
		_, err := ecgridsession.New(cfg)
		require.Error(t, err)
		showsNothingOf(t, err.Error(), secret)
	}
}

func TestAMiddlewareShowsNoSecretHoweverItIsPrinted(t *testing.T) {
	key := []byte("canary-key-of-exactly-32-bytes!!")
	m := newMiddleware(t, ecgridsession.Config{Keys: [][]byte{key}})
	withStore := newMiddleware(t, ecgridsession.Config{Keys: [][]byte{key}, Store: sessions.NewCookieStore(key)})
	for _, shown := range shownInEveryWay(t, m, withStore, m.Client(), m.Transport(http.DefaultTransport)) {
		showsNothingOf(t, shown, key)
	}
	holding := newMiddleware(t, ecgridsession.Config{Keys: [][]byte{randomKey(t)}, Ledger: &ledgerWithPassword{string(key), ecgridsession.NewMemoryLedger()}})
	for _, shown := range shownInEveryWay(t, holding) {
		showsNothingOf(t, shown, key)
	}
	assert.Equal(t, "ecgridsession.Middleware(https://rest.ecgrid.io:443)", fmt.Sprint(m))
	assert.Empty(t, inUse(m).Keys, "the rings have what they need")
}

// ledgerWithPassword is a ledger that holds how to reach its backend.
type ledgerWithPassword struct {
	password string
	ecgridsession.Ledger
}
