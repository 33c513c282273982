package secrets

import (
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
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

func TestACookieStoreAndItsConfigShowNoKey(t *testing.T) {
	key := []byte("canary-key-of-exactly-32-bytes!!")
	cfg := ecgridsession.CookieStoreConfig{Keys: [][]byte{key}, ReadAlso: securecookie.CodecsFromPairs(key, key)}
	for _, shown := range shownInEveryWay(t, cfg, &cfg, site.NewStore(t, cfg), struct {
		C ecgridsession.CookieStoreConfig
	}{cfg}) {
		site.ShowsNothingOf(t, shown, key)
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
		logs := &site.LogBuffer{}
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
		site.ShowsNothingOf(t, shown, key)
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
			site.ShowsNothingOf(t, shown, secret)
		}
		_, err := ecgridsession.New(cfg)
		require.Error(t, err)
		site.ShowsNothingOf(t, err.Error(), secret)
	}
}

func TestAMiddlewareShowsNoSecretHoweverItIsPrinted(t *testing.T) {
	key := []byte("canary-key-of-exactly-32-bytes!!")
	m := site.NewMiddleware(t, ecgridsession.Config{Keys: [][]byte{key}})
	withStore := site.NewMiddleware(t, ecgridsession.Config{Keys: [][]byte{key}, Store: sessions.NewCookieStore(key)})
	for _, shown := range shownInEveryWay(t, m, withStore, m.Client(), m.Transport(http.DefaultTransport)) {
		site.ShowsNothingOf(t, shown, key)
	}
	holding := site.NewMiddleware(t, ecgridsession.Config{Keys: [][]byte{site.NewKey(t)}, Ledger: &ledgerWithPassword{string(key), ecgridsession.NewMemoryLedger()}})
	for _, shown := range shownInEveryWay(t, holding) {
		site.ShowsNothingOf(t, shown, key)
	}
	assert.Equal(t, "ecgridsession.Middleware(https://rest.ecgrid.io:443)", fmt.Sprint(m))
}

// ledgerWithPassword is a ledger that holds how to reach its backend.
type ledgerWithPassword struct {
	password string
	ecgridsession.Ledger
}
