package main

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

func TestTheTokensStateIsReadOffTheCalls(t *testing.T) {
	var (
		login   = ecgridtest.Call{Path: "/v2/auth/login", Status: 200, Kind: "none"}
		refused = ecgridtest.Call{Path: "/v2/auth/login", Status: 401, Kind: "none"}
		refresh = ecgridtest.Call{Path: "/v2/auth/refresh", Status: 200, Kind: "none"}
		inbox   = ecgridtest.Call{Path: "/v2/parcels/inbox-list", Status: 200, Kind: "bearer"}
		logout  = ecgridtest.Call{Path: "/v2/auth/logout", Status: 200, Kind: "bearer"}
		failed  = ecgridtest.Call{Path: "/v2/auth/logout", Status: 503, Kind: "bearer"}
		reset   = ecgridtest.Call{Path: "/v2/users/reset/1042", Status: 200, Kind: "bearer"}
		version = ecgridtest.Call{Path: "/v2/auth/version", Status: 200, Kind: "none"}
		byKey   = ecgridtest.Call{Path: "/v2/auth/session", Status: 200, Kind: "apikey"}
		keyOut  = ecgridtest.Call{Path: "/v2/auth/logout", Status: 200, Kind: "apikey"}
	)
	type calls = []ecgridtest.Call
	for _, c := range []struct {
		name  string
		calls calls
		live  int
		want  string
	}{
		{"no call", nil, 0, "none"},
		{"refused sign-in", calls{refused}, 0, "none"},
		{"sign-in", calls{login}, 1, "alive"},
		{"second session goes on", calls{login, login, logout}, 1, "alive"},
		{"sign-out", calls{login, inbox, logout}, 0, "revoked"},
		{"sign-out, then a refused sign-in", calls{login, logout, refused, version}, 0, "revoked"},
		{"sign-out everywhere", calls{login, reset}, 0, "revoked"},
		{"sign-out that failed, and time went by", calls{login, failed}, 0, "expired"},
		{"time went by", calls{login, inbox}, 0, "expired"},
		{"time went by after a refresh", calls{login, refresh}, 0, "expired"},
		{"API key", calls{login, logout, byKey}, 0, "key"},
		{"API key signed out", calls{byKey, keyOut}, 0, "key-ended"},
	} {
		got := tokenOf(c.calls, c.live)
		assert.Equal(t, c.want, got.State, c.name)
		assert.Equal(t, c.live, got.Live, c.name)
	}
}

func TestCallsAreNamedForPeople(t *testing.T) {
	for path, want := range map[string]string{
		"/v2/auth/login": "Sign in", "/v2/auth/session": "Session check", "/v2/auth/refresh": "Refresh",
		"/v2/auth/logout": "Sign out", "/v2/parcels/inbox-list": "Inbox",
		"/v2/users/reset/7": "Sign out everywhere", "/v2/auth/version": "Other",
	} {
		assert.Equal(t, want, label(path), path)
	}
	assert.Equal(t, "bearer token", credentialWords("bearer"))
	assert.Equal(t, "API key", credentialWords("apikey"))
	assert.Equal(t, "no credential", credentialWords("none"))
}
