package main

import (
	"bytes"
	"encoding/base64"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// environment is a getenv in which keysVariable has a value, and nothing else.
func environment(keys string) func(string) string {
	return func(name string) string {
		if name == keysVariable {
			return keys
		}
		return ""
	}
}

func encodedKey(b byte) string {
	key := bytes.Repeat([]byte{b}, 32)
	key[0]++ // a key of one byte repeated is refused
	return base64.StdEncoding.EncodeToString(key)
}

func TestWithoutFlagsTheFakeIsServedOnLocalhost(t *testing.T) {
	opts, err := parseOptions(nil, environment(encodedKey(1)), io.Discard)
	require.NoError(t, err)
	assert.Equal(t, "localhost:8080", opts.addr)
	assert.Empty(t, opts.upstream)
	assert.Equal(t, 15*time.Minute, opts.tokenTTL)
	assert.Equal(t, "open http://localhost:8080 and sign in as demo / demo", opts.greeting(8080))
}

func TestTheGreetingNamesTheHostAskedForAndTheRealPort(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-addr", "localhost:0"}, "open http://localhost:41234 and sign in as demo / demo"},
		{[]string{"-addr", "127.0.0.1:0"}, "open http://127.0.0.1:41234 and sign in as demo / demo"},
		{[]string{"-addr", "[::1]:0"}, "open http://[::1]:41234 and sign in as demo / demo"},
		{[]string{"-upstream", "https://rest.ecgrid.io"}, "open http://localhost:41234 and sign in with your ECGrid account"},
	} {
		opts, err := parseOptions(c.args, environment(""), io.Discard)
		require.NoError(t, err, c.args)
		assert.Equal(t, c.want, opts.greeting(41234))
	}
}

func TestKeysAreReadInOrder(t *testing.T) {
	opts, err := parseOptions(nil, environment(encodedKey(1)+", "+encodedKey(2)+"\n"), io.Discard)
	require.NoError(t, err)
	require.Len(t, opts.keys, 2)
	assert.Equal(t, byte(1), opts.keys[0][31])
	assert.Equal(t, byte(2), opts.keys[1][31])
	assert.False(t, opts.randomKeys)
}

func TestWithoutKeysEachStartHasARandomOne(t *testing.T) {
	first, err := parseOptions(nil, environment(""), io.Discard)
	require.NoError(t, err)
	second, err := parseOptions(nil, environment(" \n"), io.Discard)
	require.NoError(t, err)
	assert.True(t, first.randomKeys)
	assert.True(t, second.randomKeys)
	require.Len(t, first.keys, 1)
	require.Len(t, first.keys[0], 32)
	assert.NotEqual(t, first.keys, second.keys)
}

func TestWhatCannotBeUsedIsRefusedWithStatus2(t *testing.T) {
	const secret = "canary-key-material-0123456789"
	for _, c := range []struct {
		name string
		args []string
		keys string
		says string
	}{
		{"every interface", []string{"-addr", ":0"}, "", "not a loopback address"},
		{"every IPv4 interface", []string{"-addr", "0.0.0.0:0"}, "", "not a loopback address"},
		{"every IPv6 interface", []string{"-addr", "[::]:0"}, "", "not a loopback address"},
		{"another address", []string{"-addr", "192.0.2.1:8080"}, "", "not a loopback address"},
		{"no port", []string{"-addr", "localhost"}, "", "host:port"},
		{"plain http to elsewhere", []string{"-upstream", "http://192.0.2.1"}, "", "must be https"},
		{"lifetime of the real ECGrid's tokens", []string{"-upstream", "https://rest.ecgrid.io", "-token-ttl", "1m"}, "", "fake only"},
		{"no lifetime", []string{"-token-ttl", "0s"}, "", "a second or more"},
		{"no idle limit", []string{"-idle-timeout", "1ms"}, "", "IdleTimeout"},
		{"certificate without a key", []string{"-tls-cert", "cert.pem"}, "", "go together"},
		{"key without a certificate", []string{"-tls-key", "key.pem"}, "", "go together"},
		{"unknown flag", []string{"-nope"}, "", "-nope"},
		{"stray argument", []string{"nope"}, "", `unexpected argument "nope"`},
		{"key that is not base64", nil, encodedKey(1) + "," + secret + "!", "key 2 is not base64"},
		{"key of another length", nil, base64.StdEncoding.EncodeToString([]byte(secret)), "30 bytes long"},
		{"key of one byte repeated", nil, base64.StdEncoding.EncodeToString(make([]byte, 32)), "not random"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			status := run(t.Context(), c.args, environment(c.keys), &stdout, &stderr)
			assert.Equal(t, 2, status)
			assert.Contains(t, stderr.String(), c.says)
			assert.Empty(t, stdout.String())
			assert.NotContains(t, stderr.String(), secret)
			assert.Equal(t, 1, strings.Count(stderr.String(), "example: "), "told once")
		})
	}
}

func TestHelpNamesEveryFlagAndTheVariable(t *testing.T) {
	var stdout, stderr bytes.Buffer
	assert.Zero(t, run(t.Context(), []string{"-h"}, environment(""), &stdout, &stderr))
	for _, name := range []string{"-addr", "-upstream", "-token-ttl", "-idle-timeout", "-tls-cert", "-tls-key", keysVariable} {
		assert.Contains(t, stderr.String(), name)
	}
}
