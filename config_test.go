package ecgridsession

import (
	"crypto/rand"
	"log/slog"
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAConfigOfKeysAloneHasEveryDefault(t *testing.T) {
	logger := slog.New(slog.DiscardHandler)
	before := slog.Default()
	slog.SetDefault(logger)
	t.Cleanup(func() { slog.SetDefault(before) })
	in := made(t, Config{Keys: [][]byte{someKey()}}).cfg

	assert.Same(t, logger, in.Logger, "slog.Default() at the time of New")
	assert.IsType(t, &MemoryLedger{}, in.Ledger)
	in.Logger, in.Ledger = nil, nil
	want := Config{
		Upstream:      "https://rest.ecgrid.io",
		CookieName:    "__Host-ecgrid",
		SameSite:      http.SameSiteLaxMode,
		IdleTimeout:   30 * time.Minute,
		Lifetime:      8 * time.Hour,
		RefreshBefore: 2 * time.Minute,
		LoginURL:      "/login",
		LogoutURL:     "/logout",
		AfterLogin:    "/",
		AfterLogout:   "/",
		LoginField:    "login",
		AuthTimeout:   5 * time.Second,
		LogoutTimeout: 3 * time.Second,
		LedgerTimeout: 200 * time.Millisecond,
	}
	// Field by field, since a Config prints and compares as little more than
	// its upstream.
	for i := range reflect.TypeFor[Config]().NumField() {
		name := reflect.TypeFor[Config]().Field(i).Name
		if field := reflect.ValueOf(in).Field(i); field.Kind() == reflect.Func {
			assert.Nil(t, field.Interface(), name)
		} else {
			assert.Equal(t, reflect.ValueOf(want).Field(i).Interface(), field.Interface(), name)
		}
	}
}

func TestTheDefaultCookieWithoutSecureHasNoHostPrefix(t *testing.T) {
	m := made(t, Config{Keys: [][]byte{someKey()}, InsecureCookie: true})
	assert.Equal(t, "ecgrid-dev", m.cfg.CookieName)
}

func TestTwoMiddlewaresShareNoDefaultLedger(t *testing.T) {
	keys := [][]byte{someKey()}
	one, two := made(t, Config{Keys: keys}), made(t, Config{Keys: keys})
	assert.NotSame(t, one.cfg.Ledger, two.cfg.Ledger)
}

func TestAMiddlewareKeepsNoKeys(t *testing.T) {
	assert.Empty(t, made(t, Config{Keys: [][]byte{someKey()}}).cfg.Keys, "the rings have what they need")
}

func made(t *testing.T, cfg Config) *Middleware {
	t.Helper()
	m, err := New(cfg)
	require.NoError(t, err)
	return m
}

func someKey() []byte {
	key := make([]byte, 32)
	rand.Read(key)
	return key
}
