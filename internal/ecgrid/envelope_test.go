package ecgrid_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAnEnvelopeThatSaysSuccessConfirms(t *testing.T) {
	for name, body := range map[string]string{
		"as documented":         sessionEnded,
		"nulls":                 `{"success":true,"data":null,"errorCode":null,"message":null}`,
		"success alone":         `{"success":true}`,
		"unknown fields":        `{"extra":{"success":false},"success":true,"more":[1,{"a":2}],"extra":1}`,
		"whitespace about":      " \r\n\t{ \"success\" :\ttrue , \"data\" : null } \n",
		"an undocumented code":  `{"success":true,"errorCode":"None"}`,
		"an escaped field name": `{"\u0073uccess":true}`,
	} {
		t.Run(name, func(t *testing.T) {
			assert.NoError(t, answering(t, 200, body).Logout(t.Context(), bearer))
		})
	}
}

func TestAnAnswerThatIsNoEnvelopeIsNotSuccess(t *testing.T) {
	for name, body := range map[string]string{
		"empty":                   "",
		"whitespace":              " \n",
		"HTML":                    "<html>success</html>",
		"null":                    "null",
		"true":                    "true",
		"array":                   `[{"success":true}]`,
		"array of names":          `["success",true]`,
		"string":                  `"success"`,
		"empty object":            `{}`,
		"cut short":               `{"success":true,"data":nu`,
		"cut before the end":      `{"success":true`,
		"trailing bytes":          `{"success":true}x`,
		"trailing brace":          `{"success":true}}`,
		"a second object":         `{"success":true}{"success":false}`,
		"trailing NUL":            "{\"success\":true}\x00",
		"success twice":           `{"success":true,"success":true}`,
		"success, then not":       `{"success":true,"success":false}`,
		"not, then success":       `{"success":false,"success":true}`,
		"twice, once escaped":     `{"success":true,"succes\u0073":true}`,
		"Success":                 `{"Success":true}`,
		"SUCCESS as well":         `{"success":true,"SUCCESS":true}`,
		"Success before":          `{"Success":false,"success":true}`,
		"long s":                  `{"success":true,"ſuccess":false}`,
		"success as a string":     `{"success":"true"}`,
		"success as a number":     `{"success":1}`,
		"success null":            `{"success":null}`,
		"success an object":       `{"success":{}}`,
		"no success":              `{"data":null,"errorCode":"","message":""}`,
		"data twice":              `{"success":true,"data":null,"data":null}`,
		"Data":                    `{"success":true,"Data":null}`,
		"errorcode":               `{"success":true,"errorcode":""}`,
		"errorCode twice":         `{"success":true,"errorCode":"","errorCode":""}`,
		"errorCode a number":      `{"success":true,"errorCode":0}`,
		"message an object":       `{"success":true,"message":{}}`,
		"message twice":           `{"success":true,"message":"","message":""}`,
		"success with an error":   `{"success":true,"errorCode":"InvalidSession"}`,
		"invalid UTF-8":           "{\"success\":true,\"message\":\"\xff\"}",
		"invalid UTF-8 in a name": "{\"success\":true,\"\xff\":1}",
		"byte order mark":         "\ufeff{\"success\":true}",
		"comment":                 `{"success":true/**/}`,
		"trailing comma":          `{"success":true,}`,
		"nested beyond reason":    `{"success":true,"x":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`,
	} {
		t.Run(name, func(t *testing.T) {
			e := failure(t, answering(t, 200, body).Logout(t.Context(), bearer))
			assert.Equal(t, 200, e.Status)
			assert.Empty(t, e.Code)
			assert.Equal(t, "answer is not an envelope", e.Reason)
			assert.True(t, e.Retryable())
			assert.False(t, e.Rejected())
		})
	}
}

func TestTwoHundredWithSuccessFalseIsARefusal(t *testing.T) {
	for name, body := range map[string]string{
		"with a code":    notAllowed,
		"without a code": `{"success":false}`,
		"rate limit":     `{"success":false,"errorCode":"RateLimitExceeded"}`,
		"InvalidSession": noSession,
	} {
		t.Run(name, func(t *testing.T) {
			e := failure(t, answering(t, 200, body).Logout(t.Context(), bearer))
			assert.Equal(t, 200, e.Status)
			assert.False(t, e.Retryable())
			assert.False(t, e.Rejected(), "only a 401 is a verdict on the credential")
			assert.Equal(t, "refused by ECGrid", e.Reason)
		})
	}
}

func TestOnlyADocumentedCodeIsReported(t *testing.T) {
	for sent, want := range map[string]string{
		"InvalidParameter": "InvalidParameter", "DuplicateObject": "DuplicateObject", "InvalidSession": "InvalidSession",
		"InvalidAPIKey": "InvalidAPIKey", "AccessDenied": "AccessDenied", "ObjectNotFound": "ObjectNotFound",
		"RateLimitExceeded": "RateLimitExceeded", "InternalError": "InternalError",
		"invalidsession": "", "InvalidSession ": "", "Teapot": "", `\u001b[31m`: "", "": "",
	} {
		body := `{"success":false,"errorCode":"` + sent + `"}`
		e := failure(t, answering(t, 403, body).Logout(t.Context(), bearer))
		assert.Equal(t, want, e.Code, sent)
	}
}

func TestNoOtherStatusThan200Confirms(t *testing.T) {
	for _, status := range []int{201, 202, 203, 204, 206, 299, 400, 401, 404, 500, 599, 999} {
		e := failure(t, answering(t, status, sessionEnded).Logout(t.Context(), bearer))
		assert.Equal(t, status, e.Status)
		assert.False(t, e.Rejected())
	}
}

func TestAnAnswerOf64KiBIsReadAndOneByteMoreIsNot(t *testing.T) {
	body := `{"success":true,"message":"` + strings.Repeat("m", 64<<10-len(`{"success":true,"message":""}`)) + `"}`
	require.Len(t, body, 64<<10)
	require.NoError(t, answering(t, 200, body).Logout(t.Context(), bearer))

	e := failure(t, answering(t, 200, body+" ").Logout(t.Context(), bearer))
	assert.Equal(t, "answer too large", e.Reason)
	assert.Equal(t, 200, e.Status)
	assert.True(t, e.Retryable())
}

func TestALogoutThatAnswersFalseIsNotConfirmed(t *testing.T) {
	e := failure(t, answering(t, 200, `{"success":true,"data":false}`).Logout(t.Context(), bearer))
	assert.False(t, e.Retryable())
}

func TestAResetIsConfirmedByTrueAlone(t *testing.T) {
	require.NoError(t, answering(t, 200, `{"success":true,"data":true}`).ResetUser(t.Context(), bearer, 7))
	for data, retryable := range map[string]bool{`false`: false, `null`: true, `"true"`: true, `1`: true, `{}`: true} {
		e := failure(t, answering(t, 200, `{"success":true,"data":`+data+`}`).ResetUser(t.Context(), bearer, 7))
		assert.Equal(t, retryable, e.Retryable(), data)
	}
	assert.True(t, failure(t, answering(t, 200, `{"success":true}`).ResetUser(t.Context(), bearer, 7)).Retryable())
}
