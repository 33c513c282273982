package ecgrid_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ecgrid-contrib/ecgridsession/internal/ecgrid"
)

// FuzzEnvelope holds that what is taken for success is success for ordinary decoders, too: the lenient one that goes by the
// last field of any case, and the exact one that goes by the map. And that nothing of the answer gets into an error.
func FuzzEnvelope(f *testing.F) {
	for _, seed := range []string{
		sessionEnded, notAllowed, noSession, noKey, "", "null", "[]", "{}", `{"success":true}{}`, `{"success":true,"Success":false}`,
		`{"success":true,"data":{"token":"t","expiresAt":"2030-01-01T00:00:00Z","userId":1}}`, "{\"success\":true,\"a\":\"\xff\"}",
		`{"data":{"success":false},"success":true}`, `{"ſuccess":false,"success":true}`,
	} {
		f.Add([]byte(seed), 200)
		f.Add([]byte(seed), 401)
	}
	fixed := map[string]bool{
		"refused by ECGrid": true, "answer is not an envelope": true, "answer too large": true, "unexpected status": true,
		"redirect not followed": true, "answer lacks what was asked for": true, "answer repeats the old token": true,
		"refused with problem details": true, "token accepted, but its user not found": true,
		"token belongs to another user than the answer names": true, "token too large": true,
	}
	codes := " InvalidParameter DuplicateObject InvalidSession InvalidAPIKey AccessDenied ObjectNotFound RateLimitExceeded InternalError "
	check := func(t *testing.T, body []byte, status int, err error) {
		if err == nil {
			var lenient struct{ Success any }
			var exact map[string]any
			if status != 200 || !utf8.Valid(body) || json.Unmarshal(body, &lenient) != nil || json.Unmarshal(body, &exact) != nil {
				t.Fatalf("%d %q confirmed", status, body)
			}
			if lenient.Success != true || exact["success"] != true {
				t.Fatalf("%q confirmed", body)
			}
			return
		}
		e := failure(t, err)
		if !fixed[e.Reason] || e.Code != "" && !strings.Contains(codes, " "+e.Code+" ") || e.Status != status {
			t.Fatalf("%d %q gave %+v", status, body, e)
		}
		if e.Rejected() && e.Retryable() {
			t.Fatalf("%d %q is a verdict and none", status, body)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		c := answering(t, status, string(body))
		check(t, body, status, c.Logout(t.Context(), bearer))
		check(t, body, status, c.ResetUser(t.Context(), bearer, 1))
		_, err := c.Session(t.Context(), bearer)
		check(t, body, status, err)
		g, err := c.Refresh(t.Context(), "old", "")
		check(t, body, status, err)
		if err == nil && (!ecgrid.ValidToken(g.Token) || g.Token == "old" || g.UserID < 0) {
			t.Fatalf("%q gave an unusable grant", body)
		}
		if err != nil && g.Token != "" && (!ecgrid.ValidToken(g.Token) || g.Token == "old") {
			t.Fatalf("%q gave a token that cannot be revoked", body)
		}
		if g, err = c.Login(t.Context(), "u", "p"); err == nil && (!ecgrid.ValidToken(g.Token) || g.UserID <= 0) {
			t.Fatalf("%q signed in", body)
		}
	})
}
