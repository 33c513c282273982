package ecgrid_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/internal/ecgrid"
)

func TestALoginGivesTheGrantOfTheAnswer(t *testing.T) {
	at := time.Now().UTC().Add(15 * time.Minute).Truncate(time.Second)
	body := fmt.Sprintf(`{"success":true,"data":{"token":"tok","refreshToken":"ref","expiresAt":%q,"userId":9007199254740993,"authLevel":"Root"}}`,
		at.Format(time.RFC3339))
	g, err := answering(t, 200, body).Login(t.Context(), "a", "b")
	require.NoError(t, err)
	assert.True(t, ecgrid.Grant{Token: "tok", RefreshToken: "ref", ExpiresAt: at, UserID: 9007199254740993} == g)
}

func TestAnExpiryIsReadInEverySpellingOfISO8601ThatECGridMayUse(t *testing.T) {
	at := time.Now().UTC().Add(time.Hour).Truncate(time.Second)
	for _, spelling := range []string{
		at.Format("2006-01-02T15:04:05Z"),
		at.Format("2006-01-02T15:04:05"),
		at.Format("2006-01-02T15:04:05.0000000"),
		at.Format("2006-01-02T15:04:05.000Z"),
		at.In(time.FixedZone("", -5*3600)).Format(time.RFC3339),
	} {
		body := `{"success":true,"data":{"token":"tok","expiresAt":"` + spelling + `","userId":7}}`
		g, err := answering(t, 200, body).Login(t.Context(), "a", "b")
		require.NoError(t, err, spelling)
		assert.Equal(t, at, g.ExpiresAt, spelling)
		assert.Equal(t, time.UTC, g.ExpiresAt.Location())
	}
}

func TestAGrantWithoutASaneFieldIsRefusedAtLoginAndRefresh(t *testing.T) {
	in := func(d time.Duration) string { return `"` + time.Now().UTC().Add(d).Format(time.RFC3339) + `"` }
	good := in(time.Hour)
	grant := func(token, expires, user string) string {
		return `{"token":` + token + `,"expiresAt":` + expires + `,"userId":` + user + `}`
	}
	for name, data := range map[string]string{
		"no data":                `null`,
		"data true":              `true`,
		"data an array":          `[]`,
		"data an array of names": `["token","a","expiresAt",` + good + `,"userId",7]`,
		"data empty":             `{}`,
		"no token":               `{"expiresAt":` + good + `,"userId":7}`,
		"empty token":            grant(`""`, good, `7`),
		"null token":             grant(`null`, good, `7`),
		"token a number":         grant(`1`, good, `7`),
		"token with a space":     grant(`"a b"`, good, `7`),
		"token with a newline":   grant(`"a\nb"`, good, `7`),
		"token beyond ASCII":     grant(`"ä"`, good, `7`),
		"token with a surrogate": grant(`"\ud800"`, good, `7`),
		"oversized token":        grant(`"`+strings.Repeat("x", 16<<10+1)+`"`, good, `7`),
		"token twice":            `{"token":"a","token":"a","expiresAt":` + good + `,"userId":7}`,
		"Token as well":          `{"token":"a","Token":"b","expiresAt":` + good + `,"userId":7}`,
		"bad refreshToken":       `{"token":"a","refreshToken":"b c","expiresAt":` + good + `,"userId":7}`,
		"refreshToken a number":  `{"token":"a","refreshToken":1,"expiresAt":` + good + `,"userId":7}`,
		"userId 0":               grant(`"a"`, good, `0`),
		"userId negative":        grant(`"a"`, good, `-7`),
		"userId a fraction":      grant(`"a"`, good, `7.5`),
		"userId 7.0":             grant(`"a"`, good, `7.0`),
		"userId 1e3":             grant(`"a"`, good, `1e3`),
		"userId too large":       grant(`"a"`, good, `9223372036854775808`),
		"userId a string":        grant(`"a"`, good, `"7"`),
		"userID":                 `{"token":"a","expiresAt":` + good + `,"userID":7}`,
		"expiresAt empty":        grant(`"a"`, `""`, `7`),
		"expiresAt a number":     grant(`"a"`, `1893456000`, `7`),
		"expiresAt a date":       grant(`"a"`, `"2030-01-01"`, `7`),
		"expiresAt garbage":      grant(`"a"`, `"soon"`, `7`),
		"expired":                grant(`"a"`, in(-11*time.Minute), `7`),
		"expires at the epoch":   grant(`"a"`, `"1970-01-01T00:00:00Z"`, `7`),
		"expires in year 1":      grant(`"a"`, `"0001-01-01T00:00:00"`, `7`),
		"expires in 11 years":    grant(`"a"`, in(11*366*24*time.Hour), `7`),
		"expires in year 9999":   grant(`"a"`, `"9999-12-31T23:59:59Z"`, `7`),
	} {
		t.Run(name, func(t *testing.T) {
			c := answering(t, 200, `{"success":true,"data":`+data+`}`)
			// What ECGrid has issued is handed on to be revoked, if a header can carry it.
			want := ecgrid.Grant{Token: "a"}
			for _, none := range []string{"no data", "data ", "no token", "empty token", "null token", "token a", "token w", "token b", "oversized"} {
				if strings.HasPrefix(name, none) {
					want = ecgrid.Grant{}
				}
			}
			g, err := c.Login(t.Context(), "u", "p")
			atLogin := failure(t, err)
			assert.Equal(t, strings.Contains(name, "oversized"), atLogin.Oversized())
			assert.Equal(t, !atLogin.Oversized(), atLogin.Retryable(), "the next token would be as long")
			assert.True(t, want == g)
			g, err = c.Refresh(t.Context(), "old", "")
			e := failure(t, err)
			assert.True(t, e.Retryable())
			assert.False(t, e.Rejected())
			assert.True(t, want == g)
		})
	}
}

func TestAnExpiryThatOurFastClockHasPassedIsTaken(t *testing.T) {
	at := time.Now().UTC().Add(-9 * time.Minute).Format(time.RFC3339)
	_, err := answering(t, 200, `{"success":true,"data":{"token":"a","expiresAt":"`+at+`","userId":7}}`).Login(t.Context(), "u", "p")
	assert.NoError(t, err)
}

func TestARefreshThatRepeatsTheOldTokenIsRefused(t *testing.T) {
	for _, refreshToken := range []string{"", "ref"} {
		_, err := answering(t, 200, grantBody("old")).Refresh(t.Context(), "old", refreshToken)
		e := failure(t, err)
		assert.Equal(t, "answer repeats the old token", e.Reason)
		assert.True(t, e.Retryable())
	}
}

func TestARefreshKeepsTheRefreshTokenUnlessThereIsANewOne(t *testing.T) {
	g, err := answering(t, 200, grantBody("new")).Refresh(t.Context(), "old", "ref")
	require.NoError(t, err)
	assert.Equal(t, "new", g.Token)
	assert.Equal(t, "ref", g.RefreshToken)

	body := `{"success":true,"data":{"token":"new","refreshToken":"ref2","expiresAt":"` + inAnHour() + `","userId":7}}`
	g, err = answering(t, 200, body).Refresh(t.Context(), "old", "ref")
	require.NoError(t, err)
	assert.Equal(t, "ref2", g.RefreshToken)

	g, err = answering(t, 200, grantBody("new")).Refresh(t.Context(), "old", "")
	require.NoError(t, err)
	assert.Empty(t, g.RefreshToken)
}

func TestASessionSaysWhomTheCredentialBelongsTo(t *testing.T) {
	at := time.Now().UTC().Add(time.Hour).Truncate(time.Second)
	for name, c := range map[string]struct {
		data string
		want ecgrid.Identity
	}{
		"a token": {`{"userId":7,"login":"ann@example","networkId":1,"mailboxId":2,"authLevel":"General","expiresAt":"` + at.Format(time.RFC3339) + `"}`,
			ecgrid.Identity{UserID: 7, Login: "ann@example", ExpiresAt: at}},
		"no expiry":        {`{"userId":7,"login":"ann"}`, ecgrid.Identity{UserID: 7, Login: "ann"}},
		"expiry null":      {`{"userId":7,"login":"ann","expiresAt":null}`, ecgrid.Identity{UserID: 7, Login: "ann"}},
		"never, as year 1": {`{"userId":7,"login":"ann","expiresAt":"0001-01-01T00:00:00"}`, ecgrid.Identity{UserID: 7, Login: "ann"}},
		"never, as 9999":   {`{"userId":7,"login":"ann","expiresAt":"9999-12-31T23:59:59.9999999"}`, ecgrid.Identity{UserID: 7, Login: "ann"}},
		"no login":         {`{"userId":7}`, ecgrid.Identity{UserID: 7}},
	} {
		t.Run(name, func(t *testing.T) {
			id, err := answering(t, 200, `{"success":true,"data":`+c.data+`}`).Session(t.Context(), bearer)
			require.NoError(t, err)
			assert.Equal(t, c.want, id)
		})
	}
}

func TestASessionWithoutASaneFieldIsRefused(t *testing.T) {
	for name, data := range map[string]string{
		"no data":            `null`,
		"no userId":          `{"login":"ann"}`,
		"userId 0":           `{"userId":0,"login":"ann"}`,
		"UserId":             `{"UserId":7,"login":"ann"}`,
		"userId twice":       `{"userId":7,"userId":8,"login":"ann"}`,
		"login a number":     `{"userId":7,"login":1}`,
		"login too long":     `{"userId":7,"login":"` + strings.Repeat("x", 513) + `"}`,
		"login with ANSI":    `{"userId":7,"login":"a\u001b[31m"}`,
		"login with newline": `{"userId":7,"login":"a\r\nb"}`,
		"expiry garbage":     `{"userId":7,"expiresAt":"never"}`,
		"expiry empty":       `{"userId":7,"expiresAt":""}`,
		"expiry a number":    `{"userId":7,"expiresAt":0}`,
		"expired long ago":   `{"userId":7,"expiresAt":"2001-01-01T00:00:00Z"}`,
	} {
		t.Run(name, func(t *testing.T) {
			id, err := answering(t, 200, `{"success":true,"data":`+data+`}`).Session(t.Context(), bearer)
			assert.True(t, failure(t, err).Retryable())
			assert.Zero(t, id)
		})
	}
}
