package main

import (
	"net/http"
	"strings"
	"time"

	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// maxShown is how many calls the panel looks back on.
const maxShown = 8

// panel is what stands beside each page: what the fake ECGrid has received, and
// what became of the demo user's token. There is no secret in it, and it is the
// same whoever looks, signed in or not.
type panel struct {
	Token token
	Calls []call // the latest first
}

// call is one call that ECGrid received, as it is shown.
type call struct {
	ID         int       `json:"id"` // counts from 1
	Label      string    `json:"label"`
	Method     string    `json:"method"`
	Path       string    `json:"path"`
	Status     int       `json:"status"` // 0: no answer yet, or none at all
	Kind       string    `json:"kind"`
	Credential string    `json:"credential"` // the kind in words
	At         time.Time `json:"at"`
}

// token is whether the demo user's token still works at ECGrid, in one word for
// scripts and a few for people.
type token struct {
	State string `json:"state"`
	Live  int    `json:"live"`
	Title string `json:"title"`
	Text  string `json:"text"`
}

func (g *grid) panel() panel {
	calls := g.Calls("")
	p := panel{Token: tokenOf(calls, g.LiveTokens(demo.ID))}
	for i := len(calls) - 1; i >= max(len(calls)-maxShown, 0); i-- {
		p.Calls = append(p.Calls, describe(i, calls[i]))
	}
	return p
}

func describe(index int, c ecgridtest.Call) call {
	return call{
		ID: index + 1, Label: label(c.Path), Method: c.Method, Path: c.Path, Status: c.Status,
		Kind: c.Kind, Credential: credentialWords(c.Kind), At: c.At,
	}
}

// label says what a call is for.
func label(path string) string {
	switch path {
	case "/v2/auth/login":
		return "Sign in"
	case "/v2/auth/session":
		return "Session check"
	case "/v2/auth/refresh":
		return "Refresh"
	case "/v2/auth/logout":
		return "Sign out"
	case "/v2/parcels/inbox-list":
		return "Inbox"
	}
	if strings.HasPrefix(path, "/v2/users/reset/") {
		return "Sign out everywhere"
	}
	return "Other"
}

func credentialWords(kind string) string {
	switch kind {
	case "bearer":
		return "bearer token"
	case "apikey":
		return "API key"
	default:
		return "no credential"
	}
}

// tokenOf reads the state off the latest call that could have changed it, where
// no token lives.
func tokenOf(calls []ecgridtest.Call, live int) token {
	t := token{State: "none", Title: "No token", Text: "Nobody has signed in yet."}
	for i := len(calls) - 1; i >= 0; i-- {
		c := calls[i]
		if c.Status != http.StatusOK {
			continue
		}
		switch c.Path {
		case "/v2/auth/login", "/v2/auth/refresh":
			t = token{State: "expired", Title: "Token expired", Text: "Its time is up: ECGrid refuses it."}
		case "/v2/auth/session", "/v2/parcels/inbox-list":
			if c.Kind != "apikey" {
				continue
			}
			t = token{State: "key", Title: "API key in use", Text: "There is no token: each call carries the key."}
		case "/v2/auth/logout":
			t = token{State: "revoked", Title: "Token revoked", Text: "The sign-out reached ECGrid: it refuses the token from now on."}
			if c.Kind == "apikey" {
				t = token{State: "key-ended", Title: "Session ended", Text: "The sign-out reached ECGrid. The key itself lives on."}
			}
		default:
			if !strings.HasPrefix(c.Path, "/v2/users/reset/") {
				continue
			}
			t = token{State: "revoked", Title: "Token revoked", Text: "ECGrid ended all of the user's sessions."}
		}
		break
	}
	if live > 0 {
		t = token{State: "alive", Live: live, Title: "Token alive", Text: "ECGrid accepts it."}
		if live > 1 {
			t.Title, t.Text = "Tokens alive", "ECGrid accepts each session's own."
		}
	}
	return t
}
