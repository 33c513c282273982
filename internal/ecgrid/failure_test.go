package ecgrid_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ecgrid-contrib/ecgridsession/internal/ecgrid"
)

func TestWhatAFailureMeansFollowsFromStatusAndEnvelope(t *testing.T) {
	html := "<html>gateway</html>"
	for name, c := range map[string]struct {
		status    int
		body      string
		code      string
		rejected  bool
		retryable bool
	}{
		"400":                       {400, `{"success":false,"errorCode":"InvalidParameter"}`, "InvalidParameter", false, false},
		"401 InvalidSession":        {401, noSession, "InvalidSession", true, false},
		"401 InvalidAPIKey":         {401, noKey, "InvalidAPIKey", true, false},
		"401 AccessDenied":          {401, notAllowed, "AccessDenied", false, false},
		"401 unknown code":          {401, `{"success":false,"errorCode":"Other"}`, "", false, true},
		"401 no code":               {401, `{"success":false}`, "", false, true},
		"401 HTML":                  {401, html, "", false, true},
		"401 empty":                 {401, "", "", false, true},
		"401 success true":          {401, `{"success":true,"errorCode":"InvalidSession"}`, "", false, true},
		"401 no success":            {401, `{"errorCode":"InvalidSession"}`, "", false, true},
		"401 trailing bytes":        {401, noSession + "x", "", false, true},
		"401 code in another case":  {401, `{"success":false,"errorCode":"invalidsession"}`, "", false, true},
		"403":                       {403, notAllowed, "AccessDenied", false, false},
		"403 InvalidSession":        {403, noSession, "InvalidSession", false, false},
		"403 HTML":                  {403, html, "", false, false},
		"404":                       {404, `{"success":false,"errorCode":"ObjectNotFound"}`, "ObjectNotFound", false, false},
		"405":                       {405, "", "", false, false},
		"408":                       {408, "", "", false, false},
		"429":                       {429, `{"success":false,"errorCode":"RateLimitExceeded"}`, "RateLimitExceeded", false, true},
		"429 HTML":                  {429, html, "", false, true},
		"500":                       {500, `{"success":false,"errorCode":"InternalError"}`, "InternalError", false, true},
		"500 InvalidSession":        {500, noSession, "InvalidSession", false, true},
		"502":                       {502, html, "", false, true},
		"503":                       {503, "", "", false, true},
		"504":                       {504, "", "", false, true},
		"202 with an envelope":      {202, sessionEnded, "", false, true},
		"202 with a refusal":        {202, notAllowed, "AccessDenied", false, false},
		"204":                       {204, "", "", false, true},
		"101":                       {101, "", "", false, false},
		"304":                       {304, "", "", false, false},
		"300 with an envelope":      {300, noSession, "", false, false},
		"status 0 of a broken peer": {0, sessionEnded, "", false, true},
	} {
		t.Run(name, func(t *testing.T) {
			e := failure(t, answering(t, c.status, c.body).Logout(t.Context(), bearer))
			assert.Equal(t, c.status, e.Status)
			assert.Equal(t, c.code, e.Code)
			assert.Equal(t, c.rejected, e.Rejected(), "rejected")
			assert.Equal(t, c.retryable, e.Retryable(), "retryable")
			assert.NotEmpty(t, e.Reason)
		})
	}
}

func TestAtLoginEveryEnveloped401IsAVerdict(t *testing.T) {
	for body, rejected := range map[string]bool{
		noSession:  true,
		notAllowed: true,
		`{"success":false,"errorCode":"BadCredentials"}`: true,
		`{"success":false}`:     true,
		`{"success":true}`:      false,
		`<html>gateway</html>`:  false,
		``:                      false,
		`{"success":false}tail`: false,
	} {
		_, err := answering(t, 401, body).Login(t.Context(), "u", "p")
		e := failure(t, err)
		assert.Equal(t, rejected, e.Rejected(), body)
		assert.Equal(t, !rejected, e.Retryable(), body)
	}
	_, err := answering(t, 400, notAllowed).Login(t.Context(), "u", "p")
	assert.False(t, failure(t, err).Rejected())
}

func TestRetryAfterIsReportedWithTheFailure(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"7": 7 * time.Second, "1000000000": time.Hour, "-1": 0, "soon": 0, "": 0,
	} {
		for _, status := range []int{429, 503} {
			e := failure(t, answering(t, status, "", "Retry-After", value).Logout(t.Context(), bearer))
			assert.Equal(t, want, e.RetryAfter, "%d %q", status, value)
		}
	}
	e := failure(t, answering(t, 200, "", "Retry-After", "7").Logout(t.Context(), bearer))
	assert.Zero(t, e.RetryAfter)
}

func TestTheTextOfAFailureIsStatusCodeAndFixedWords(t *testing.T) {
	assert.EqualError(t, answering(t, 401, noSession).Logout(t.Context(), bearer), "ecgrid: status 401 InvalidSession: refused by ECGrid")
	assert.EqualError(t, answering(t, 502, "").Logout(t.Context(), bearer), "ecgrid: status 502: answer is not an envelope")
	assert.EqualError(t, answering(t, 302, "").Logout(t.Context(), bearer), "ecgrid: status 302: redirect not followed")
	assert.EqualError(t, answering(t, 202, sessionEnded).Logout(t.Context(), bearer), "ecgrid: status 202: unexpected status")
}

func TestAFailureUnwrapsToNothingUnlessTheContextEnded(t *testing.T) {
	assert.NoError(t, failure(t, answering(t, 500, "").Logout(t.Context(), bearer)).Unwrap())
	assert.NoError(t, (&ecgrid.Error{}).Unwrap())
}
