package ecgrid

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// maxAnswerBytes bounds the body of an answer. The longest proper one holds two tokens. An upstream that is broken or
// taken over must not fill the memory of every replica at once; the vendor's longest answer is far below this.
const maxAnswerBytes = 64 << 10

// Client calls ECGrid's auth endpoints. It is immutable and safe for concurrent use; the zero value is not usable.
//
// A call is given no deadline but its context's. Every error is an [*Error].
//
// It keeps no token, no cookie and no count of anything: each call is whole in its arguments. Retries are the caller's,
// since only the caller knows whether a second try may do harm: after a timeout a refresh may have ended the token that
// the retry would bring.
type Client struct {
	// base is a copy of scheme, host and path alone: nothing of a user or a query is sent.
	base url.URL
	// rt makes the calls. There is no http.Client around it (call).
	rt         http.RoundTripper
	loginField string
}

// New returns a client of the API at base, which may have a path and whose user info, query and fragment are ignored.
// The caller has checked it. Calls go through rt, which must not be nil and must not follow redirects by itself.
// loginField is the field that names the user at login; "" is [DefaultLoginField]. What a user, query or fragment in
// base would do to the calls is nothing: parseOrigin in the root package has refused it, and here it is dropped once
// more.
func New(base *url.URL, rt http.RoundTripper, loginField string) *Client {
	if loginField == "" {
		loginField = DefaultLoginField
	}
	return &Client{
		base:       url.URL{Scheme: base.Scheme, Host: base.Host, Path: base.Path, RawPath: base.RawPath},
		rt:         rt,
		loginField: loginField,
	}
}

// Login exchanges a user's name and password for a token, and asks whose it is and when it expires if the answer does not
// say. Without a password only the name is sent: one of the vendor's pages signs in by a key alone.
//
// The caller owns the living token of the grant, and sees to it that it is kept or ended. This includes a grant that comes
// with an error: ECGrid has issued its token, which cannot be used.
func (c *Client) Login(ctx context.Context, login, password string) (Grant, error) {
	body := map[string]string{c.loginField: login}
	if password != "" {
		body[sendPassword] = password
	}
	answer, failure := c.call(ctx, pathLogin, nil, body)
	if failure != nil {
		// For Rejected: at login a 401 means the password.
		failure.login = true
		return Grant{}, failure
	}
	grant, ok := decodeGrant(answer.data, answer.at)
	switch {
	// ECGrid has accepted the login. The token lives on there, and no header of ours could carry its logout.
	case !ok && holdsOversizedToken(answer.data):
		return grant, &Error{Status: statusSuccess, Reason: reasonOversized, login: true, oversized: true}
	case !ok:
		return grant, &Error{Status: statusSuccess, Reason: reasonIncomplete, login: true}
	case grant.UserID != 0 && !grant.ExpiresAt.IsZero():
		return grant, nil
	}
	return c.completed(ctx, grant)
}

// completed asks ECGrid what the answer to a login left out. Without a user there is no session. Without an expiry there
// is one whose token is used until it is refused.
func (c *Client) completed(ctx context.Context, grant Grant) (Grant, error) {
	who, failure := c.session(ctx, Auth{Bearer: grant.Token})
	switch {
	case failure != nil && (grant.UserID == 0 || failure.Rejected()):
		// Without its code: that ECGrid does not know the token which it has just issued is no word on the password.
		return grant, &Error{Status: failure.Status, RetryAfter: failure.RetryAfter, Reason: reasonNoUser, cause: failure.cause}
	case failure != nil:
		return grant, nil
	case grant.UserID != 0 && grant.UserID != who.UserID:
		return grant, &Error{Status: statusSuccess, Reason: reasonOtherUser}
	}
	grant.UserID, grant.Login = who.UserID, who.Login
	if grant.ExpiresAt.IsZero() {
		grant.ExpiresAt = who.ExpiresAt
	}
	return grant, nil
}

// Refresh exchanges token for a new one, which ends the old: by refreshToken if that is not empty, else by token
// itself. The grant's RefreshToken is the one that ECGrid gave, or refreshToken again if it gave none (RFC 6749,
// section 6). Whether the grant is for the same user is for the caller to judge; it names none if the answer does not. It is
// made once for each call and never repeated here: ECGrid ends the old token with it, whether or not the answer
// arrives.
//
// If the answer has no expiry, Refresh asks for it. As with [Client.Login], a grant may come with an error.
func (c *Client) Refresh(ctx context.Context, token, refreshToken string) (Grant, error) {
	body := map[string]string{sendRefreshToken: refreshToken}
	if refreshToken == "" {
		body = map[string]string{sendToken: token}
		// Not sent: a refresh of nothing would be refused, and the refusal taken for ECGrid's word on a session.
		if token == "" {
			return Grant{}, unsent()
		}
	}
	answer, failure := c.call(ctx, pathRefresh, nil, body)
	if failure != nil {
		return Grant{}, failure
	}
	grant, ok := decodeGrant(answer.data, answer.at)
	// The old token is invalid once it was exchanged, so an answer that repeats it grants nothing, and nothing is to be
	// revoked. It is retryable, as an answer that proves nothing: whether the old token still lives is not known.
	if grant.Token != "" && grant.Token == token {
		return Grant{}, &Error{Status: statusSuccess, Reason: reasonSameToken}
	}
	if !ok {
		return grant, &Error{Status: statusSuccess, Reason: reasonIncomplete}
	}
	if grant.ExpiresAt.IsZero() {
		// The answer may also say that the token is another user's. A failure changes nothing: the token is good.
		if who, failure := c.session(ctx, Auth{Bearer: grant.Token}); failure == nil {
			grant.ExpiresAt, grant.UserID = who.ExpiresAt, who.UserID
		}
	}
	if grant.RefreshToken == "" {
		grant.RefreshToken = refreshToken
	}
	return grant, nil
}

// Logout ends the session that a names. Nil means that ECGrid confirmed it. An API key lives on after its logout. No
// body is sent; the session is the one that the header names.
func (c *Client) Logout(ctx context.Context, a Auth) error {
	answer, failure := c.call(ctx, pathLogout, &a, nil)
	if failure != nil {
		return failure
	}
	// Null is documented, and anything that is not a plain no is let pass.
	if string(answer.data) == "false" {
		return &Error{Status: statusSuccess, Reason: reasonUnsuccessful, enveloped: true}
	}
	return nil
}

// Session asks whom a belongs to. The answer is how an API key's user is known, and the only proof that the key is
// good.
func (c *Client) Session(ctx context.Context, a Auth) (Identity, error) {
	id, failure := c.session(ctx, a)
	if failure != nil {
		return Identity{}, failure
	}
	return id, nil
}

// session is Session with an error that can be looked into.
func (c *Client) session(ctx context.Context, a Auth) (Identity, *Error) {
	answer, failure := c.call(ctx, pathSession, &a, nil)
	if failure != nil {
		return Identity{}, failure
	}
	id, ok := decodeIdentity(answer.data, answer.at)
	if !ok {
		return Identity{}, &Error{Status: statusSuccess, Reason: reasonIncomplete}
	}
	return id, nil
}

// ResetUser ends all token sessions of the user, who may be another than the one that a names. Nil means that ECGrid
// confirmed it. ECGrid allows it by authLevel, and a refusal for that is an Error that is not Rejected: the credential
// itself is good.
func (c *Client) ResetUser(ctx context.Context, a Auth, userID int64) error {
	if userID <= 0 {
		return unsent()
	}
	answer, failure := c.call(ctx, pathResetUser+"/"+strconv.FormatInt(userID, 10), &a, nil)
	if failure != nil {
		return failure
	}
	// Only a plain true is success. The word of an envelope that lacks it is not enough here: the user would be told
	// that all their sessions have ended.
	switch string(answer.data) {
	case "true":
		return nil
	case "false":
		return &Error{Status: statusSuccess, Reason: reasonUnsuccessful, enveloped: true}
	}
	return &Error{Status: statusSuccess, Reason: reasonIncomplete}
}

// answer is the data of an envelope that confirmed a call, and when it came.
type answer struct {
	data json.RawMessage
	at   clock
}

// call makes one request and returns the answer whose envelope confirmed it. auth and fields are nil where the
// endpoint takes none. It closes the body on every path, and reads it only in read, which bounds it.
func (c *Client) call(ctx context.Context, path string, auth *Auth, fields map[string]string) (answer, *Error) {
	req, failure := c.request(ctx, path, auth, fields)
	if failure != nil {
		return answer{}, failure
	}
	// RoundTrip rather than an http.Client: no redirect, no cookie and no Referer can happen, instead of being
	// forbidden one by one. The context is in req, so its deadline covers the connection, the headers and, since Body
	// is read under it, the body too.
	resp, err := c.rt.RoundTrip(req)
	if err != nil {
		return answer{}, unanswered(ctx, err)
	}
	if resp == nil { // a foreign RoundTripper may break its contract
		return answer{}, unanswered(ctx, nil)
	}
	// So does one that leaves out the body.
	if resp.Body == nil {
		resp.Body = http.NoBody
	}
	defer func() { _ = resp.Body.Close() }()
	return read(ctx, resp)
}

// request builds the one request of a call. What cannot be sent is an Error without a status: no retry will mend it.
func (c *Client) request(ctx context.Context, path string, auth *Auth, fields map[string]string) (*http.Request, *Error) {
	if auth != nil && !auth.usable() {
		return nil, unsent()
	}
	var body io.Reader // nil: Content-Length 0
	if fields != nil {
		// Marshal escapes whatever a user typed as login or password: nothing in it can add a field.
		encoded, err := json.Marshal(fields)
		if err != nil {
			return nil, unsent()
		}
		body = bytes.NewReader(encoded)
	}
	// JoinPath keeps the path of a base that has one, with one slash between.
	req, err := http.NewRequestWithContext(ctx, callMethod, c.base.JoinPath(path).String(), body)
	if err != nil {
		return nil, unsent()
	}
	// No Idempotency-Key: with one, net/http would send a POST again after it may have taken effect.
	req.Header.Set("Accept", "application/json")
	if fields != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if auth != nil {
		name, value := auth.Header()
		req.Header[name] = []string{value}
	}
	return req, nil
}

// read takes the answer in and judges it. It reads to the end of a body that is within bounds, so that the connection
// can be used again. The order: status, size, whole body, envelope, verdict. Each is a reason by itself, and the first
// that fails is the one that is told.
func read(ctx context.Context, resp *http.Response) (answer, *Error) {
	at := clockOf(resp.Header, time.Now())
	failure := &Error{Status: resp.StatusCode, Reason: reasonStatus}
	switch {
	case resp.StatusCode < 200:
		// The body of a 101 is the bare connection, which no deadline of the context governs: it is not read.
		return answer{}, failure
	// Where it leads is not looked at: whoever answers so is not ECGrid, or not the one that was configured.
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		failure.Reason = reasonRedirect
		return answer{}, failure
	// With a success nothing says what it would mean (RFC 9110, section 10.2.3).
	case resp.StatusCode >= 400:
		failure.RetryAfter = ParseRetryAfter(resp.Header.Get("Retry-After"), at.there)
	}
	// The header says so, whatever is in the body.
	failure.denied = resp.StatusCode == http.StatusUnauthorized && invalidToken(resp.Header)
	// Before a byte of it is read; a length that is not told, or a lie, is caught by the limit below.
	if resp.ContentLength > maxAnswerBytes {
		failure.Reason = reasonTooLarge
		return answer{}, failure
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes+1))
	if err != nil && failure.denied {
		return answer{}, failure
	}
	if err != nil {
		// Half an answer is none, whatever its status line said.
		return answer{}, unanswered(ctx, err)
	}
	if len(body) > maxAnswerBytes {
		failure.Reason = reasonTooLarge
		return answer{}, failure
	}
	// Also with a 4xx or 5xx: only an envelope tells ECGrid's refusal from that of something in front of it.
	env, ok := decodeEnvelope(body)
	switch {
	case !ok && resp.StatusCode >= 400 && isProblem(resp.Header.Get("Content-Type"), body):
		failure.Reason, failure.problem = reasonProblem, true
	case !ok:
		failure.Reason = reasonNoEnvelope
	case !env.success:
		failure.Reason, failure.Code, failure.enveloped = reasonUnsuccessful, env.code, true
	case resp.StatusCode == statusSuccess:
		// Success is said twice, by the status and by the envelope, and both have to say it.
		return answer{env.data, at}, nil
	}
	return answer{}, failure
}
