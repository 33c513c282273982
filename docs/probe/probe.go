package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// probe asks one service.
type probe struct {
	base                    *url.URL
	loginField, openAPI     string
	login, password, apiKey string
	client                  *http.Client
	report                  *report
}

// tokens are what a login or a refresh gave.
type tokens struct{ token, refresh string }

// ask makes all calls, in an order in which each needs only those before it.
func (p *probe) ask(ctx context.Context) {
	p.version(ctx)
	p.description(ctx)
	p.refusal(ctx)
	if p.apiKey != "" {
		p.key(ctx)
	}
	if p.login == "" || p.password == "" && p.loginField != "apiKey" {
		p.report.part("Login")
		p.report.note("not asked: ECGRID_LOGIN and ECGRID_PASSWORD are not set")
		return
	}
	got, ok := p.signIn(ctx)
	if !ok {
		return
	}
	p.session(ctx, bearer(got.token), true)
	if next, ok := p.refresh(ctx, got); ok {
		got = next
	}
	p.signOut(ctx, got)
}

// version needs no credential.
func (p *probe) version(ctx context.Context) {
	p.report.part("GET /v2/auth/version")
	a, err := p.call(ctx, http.MethodGet, "/v2/auth/version", credential{}, nil)
	if err != nil {
		p.report.other("no version: %s", err)
		return
	}
	p.report.check(a.status == http.StatusOK && a.enveloped && a.success, "200 and an envelope with success", "%s", a.outline())
	var version string
	if json.Unmarshal(a.data["version"], &version) == nil && len(version) <= 10 && strings.Trim(version, "0123456789.") == "" {
		if version == "2.6" {
			p.report.same("version 2.6")
		} else {
			p.report.note("version %s, where the assumptions are about 2.6", version)
		}
	}
	p.clock(a)
}

// clock compares the service's clock with this machine's: expiries are measured by its Date.
func (p *probe) clock(a *answer) {
	date, err := http.ParseTime(a.header.Get("Date"))
	if err != nil {
		p.report.taken("no Date in the answer: expiries go by the clock of the app's machine")
		return
	}
	p.report.note("its clock is %s from the one of this machine", date.Sub(a.now).Round(time.Second))
}

// refusal asks with a token that was never issued. It is no failed login, so it locks no account.
func (p *probe) refusal(ctx context.Context) {
	p.report.part("A token that was never issued, at POST /v2/auth/session")
	a, err := p.call(ctx, http.MethodPost, "/v2/auth/session", bearer("never-issued"), nil)
	if err != nil {
		p.report.other("no answer: %s", err)
		return
	}
	p.verdict(a, "InvalidSession")
}

// verdict holds a refusal to what ends a session.
func (p *probe) verdict(a *answer, code string) {
	switch {
	case a.status == http.StatusUnauthorized && a.enveloped && !a.success && a.code == code:
		p.report.same("401 and an envelope with errorCode %s", code)
	case a.status == http.StatusUnauthorized && a.challenge():
		p.report.taken(`401 with WWW-Authenticate: Bearer error="invalid_token"; the body: %s`, a.outline())
	default:
		p.report.other("401 with errorCode %s, or with a challenge, was assumed, and came: %s. Sessions would not end", code, a.outline())
	}
}

// key asks who an API key belongs to.
func (p *probe) key(ctx context.Context) {
	p.session(ctx, credential{"X-API-Key", p.apiKey}, false)
}

// signIn makes the one login. A failed one is not repeated with other fields, because failures lock accounts.
func (p *probe) signIn(ctx context.Context) (tokens, bool) {
	p.report.part("POST /v2/auth/login")
	body := map[string]string{p.loginField: p.login}
	if p.password != "" {
		body["password"] = p.password
	}
	a, err := p.call(ctx, http.MethodPost, "/v2/auth/login", credential{}, body)
	if err != nil {
		p.report.other("no answer: %s", err)
		return tokens{}, false
	}
	got := p.grant(a)
	if got.token == "" {
		p.report.note("if the password is right, try one other -login-field: repeated failures lock an account")
		return tokens{}, false
	}
	return got, true
}

// grant reads what a login or a refresh gave.
func (p *probe) grant(a *answer) tokens {
	p.report.hide(secrets(a.data)...)
	p.report.hide(secrets(a.fields)...)
	p.report.check(a.status == http.StatusOK && a.enveloped && a.success, "200 and an envelope with success", "%s", a.outline())
	if a.data == nil {
		a.data = a.fields // without an envelope, there may still be a token to end
	}
	p.report.note("fields of data: %s", names(a.data))
	var got tokens
	if token, ok := a.text("token"); ok {
		got.token = token
		p.report.same("the token under token, %d bytes", len(token))
	} else if token, ok := a.text("sessionKey"); ok {
		got.token = token
		p.report.taken("the token under sessionKey, %d bytes", len(token))
	} else {
		p.report.other("a token under token or sessionKey was assumed")
		return got
	}
	if refresh, ok := a.text("refreshToken"); ok {
		got.refresh = refresh
		p.report.taken("a refreshToken, %d bytes: it refreshes an expired token, too", len(refresh))
	} else {
		p.report.same("no refreshToken")
	}
	switch kind(a.data["userId"]) {
	case "number":
		p.report.same("userId is a number")
	case "nothing", "null":
		p.report.taken("no userId: /v2/auth/session is asked")
	default:
		p.report.other("userId is a %s", kind(a.data["userId"]))
	}
	p.expiry(a)
	return got
}

// expiry holds the expiry to what the library reads.
func (p *probe) expiry(a *answer) {
	if k := kind(a.data["expiresAt"]); k == "nothing" || k == "null" {
		p.report.taken("no expiresAt: /v2/auth/session is asked, and else the token is used until it is refused")
		return
	}
	text, _ := a.text("expiresAt")
	for _, layout := range []string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05"} {
		if at, err := time.Parse(layout, text); err == nil {
			now := a.now
			if date, err := http.ParseTime(a.header.Get("Date")); err == nil {
				now = date
			}
			p.report.same("expiresAt is ISO 8601")
			life := at.Sub(now).Round(time.Second)
			p.report.check(life > 0 && life < 10*366*24*time.Hour, "the token lives for a while", "it lives for %s", life)
			p.report.note("the token lives for %s", life)
			return
		}
	}
	p.report.other("expiresAt is no ISO 8601 time: a %s of %d bytes", kind(a.data["expiresAt"]), len(text))
}

// session asks whom a credential belongs to.
func (p *probe) session(ctx context.Context, c credential, expires bool) {
	p.report.part("POST /v2/auth/session with " + c.name)
	a, err := p.call(ctx, http.MethodPost, "/v2/auth/session", c, nil)
	if err != nil {
		p.report.other("no answer: %s", err)
		return
	}
	p.report.hide(secrets(a.data)...)
	p.report.check(a.status == http.StatusOK && a.enveloped && a.success, "200 and an envelope with success", "%s", a.outline())
	p.report.note("fields of data: %s", names(a.data))
	p.report.check(kind(a.data["userId"]) == "number", "userId is a number", "it is %s", kind(a.data["userId"]))
	if expires && a.data != nil {
		p.expiry(a)
	}
}

// refresh makes the one refresh, and asks whether the old token is dead.
func (p *probe) refresh(ctx context.Context, old tokens) (tokens, bool) {
	p.report.part("POST /v2/auth/refresh")
	body := map[string]string{"token": old.token}
	if old.refresh != "" {
		body = map[string]string{"refreshToken": old.refresh}
	}
	a, err := p.call(ctx, http.MethodPost, "/v2/auth/refresh", credential{}, body)
	if err != nil {
		p.report.other("no answer: %s", err)
		return tokens{}, false
	}
	got := p.grant(a)
	if got.token == "" {
		return tokens{}, false
	}
	p.report.check(got.token != old.token, "the token is a new one", "it is the old one")
	if a, err = p.call(ctx, http.MethodPost, "/v2/auth/session", bearer(old.token), nil); err != nil {
		p.report.note("whether the old token is dead is not known: %s", err)
	} else if a.status == http.StatusOK {
		p.report.note("the old token lives on after its refresh")
		p.end(ctx, old.token)
	} else {
		p.report.same("the old token is dead after its refresh")
	}
	return got, true
}

// signOut makes the one sign-out, and asks whether the token is dead.
func (p *probe) signOut(ctx context.Context, got tokens) {
	p.report.part("POST /v2/auth/logout")
	a, err := p.end(ctx, got.token)
	if err != nil {
		p.report.other("no answer: %s. The token may live on until it expires", err)
		return
	}
	p.report.check(a.status == http.StatusOK && a.enveloped && a.success && kind(a.fields["data"]) != "bool",
		"200 and an envelope with success", "%s", a.outline())
	if a, err = p.call(ctx, http.MethodPost, "/v2/auth/session", bearer(got.token), nil); err != nil {
		p.report.note("whether the token is dead is not known: %s", err)
		return
	}
	if a.status == http.StatusOK {
		p.report.other("the token lives on after its logout")
		return
	}
	p.verdict(a, "InvalidSession")
	if got.refresh == "" {
		return
	}
	a, err = p.call(ctx, http.MethodPost, "/v2/auth/refresh", credential{}, map[string]string{"refreshToken": got.refresh})
	if err != nil {
		p.report.note("whether the refresh token is dead is not known: %s", err)
		return
	}
	p.report.hide(secrets(a.data)...)
	i := slices.IndexFunc([]string{"token", "sessionKey"}, func(name string) bool { _, ok := a.text(name); return ok })
	if i < 0 {
		p.report.same("the refresh token is dead after the logout")
		return
	}
	p.report.other("the refresh token lives on after the logout")
	token, _ := a.text([]string{"token", "sessionKey"}[i])
	_, _ = p.end(ctx, token) // the difference is reported already
}

// end logs a token out. It has a deadline apart from the probe's, because a token must not stay behind when the probe is out of time.
func (p *probe) end(ctx context.Context, token string) (*answer, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
	defer cancel()
	return p.call(ctx, http.MethodPost, "/v2/auth/logout", bearer(token), nil)
}
