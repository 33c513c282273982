package ecgridtest_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// parts decodes the three parts of a JWT.
func parts(t testing.TB, token string) (header, claims string, signature []byte) {
	t.Helper()
	encoded := strings.Split(token, ".")
	require.Len(t, encoded, 3)
	var decoded [3][]byte
	for i, part := range encoded {
		var err error
		decoded[i], err = base64.RawURLEncoding.Strict().DecodeString(part)
		require.NoError(t, err)
	}
	return string(decoded[0]), string(decoded[1]), decoded[2]
}

func TestATokenHasTheFormOfAJWT(t *testing.T) {
	api := newAPI(alice)
	got := login(t, api, alice)
	header, claims, signature := parts(t, got.Token)
	assert.Equal(t, `{"alg":"HS256","typ":"JWT"}`, header)
	assert.Len(t, signature, 32)
	var c struct {
		Sub, Login, JTI string
		IAT, Exp        int64
	}
	require.NoError(t, json.Unmarshal([]byte(claims), &c))
	assert.Equal(t, "1042", c.Sub)
	assert.Equal(t, alice.Login, c.Login)
	assert.Len(t, c.JTI, 32)
	assert.WithinDuration(t, time.Now(), time.Unix(c.IAT, 0), 30*time.Second)
	expires, err := time.Parse(time.RFC3339, got.ExpiresAt)
	require.NoError(t, err)
	assert.Equal(t, expires.Unix(), c.Exp)
}

func TestATokenIsSignedWithHMACSHA256(t *testing.T) {
	api := newAPI(alice)
	token := login(t, api, alice).Token
	_, _, signature := parts(t, token)
	mac := hmac.New(sha256.New, ecgridtest.SignKey(api))
	mac.Write([]byte(token[:strings.LastIndexByte(token, '.')]))
	assert.Equal(t, mac.Sum(nil), signature)
}

func TestAPIsSignWithKeysOfTheirOwn(t *testing.T) {
	one, other := ecgridtest.SignKey(newAPI()), ecgridtest.SignKey(newAPI())
	assert.Len(t, one, 32)
	assert.NotEqual(t, one, other)
}

func TestATokenIs400BytesLongByDefault(t *testing.T) {
	api := newAPI(alice)
	assert.Len(t, login(t, api, alice).Token, 400)
	api.SetTokenSize(1000)
	api.SetTokenSize(0)
	assert.Len(t, login(t, api, alice).Token, 400)
}

func TestATokenHasTheSizeThatIsSet(t *testing.T) {
	for _, size := range []int{400, 401, 402, 403, 404, 1000, 3001, 4095, 4096, 4097, 16384, 16385, 100_000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			api := newAPI(alice)
			api.SetTokenSize(size)
			token := login(t, api, alice).Token
			want := size
			if size%4 == 2 { // no JWT of this form has that length
				want = size - 1
			}
			assert.Len(t, token, want)
			parts(t, token)
			assert.True(t, works(api, bearer(token)))
		})
	}
}

func TestATokenIsNeverShorterThanItsClaims(t *testing.T) {
	api := newAPI(alice)
	api.SetTokenSize(1)
	token := login(t, api, alice).Token
	_, claims, _ := parts(t, token)
	assert.Contains(t, claims, alice.Login)
	assert.Less(t, len(token), 300)
	assert.True(t, works(api, bearer(token)))
}

func TestARefreshedTokenHasTheSizeThatIsSet(t *testing.T) {
	api := newAPI(alice)
	body := refreshBody(t, login(t, api, alice).Token)
	api.SetTokenSize(5000)
	assert.Len(t, call(t, api, http.MethodPost, refreshPath, nil, body).issued(t).Token, 5000)
}

func TestANegativeTokenSizePanics(t *testing.T) {
	assert.PanicsWithValue(t, "ecgridtest: SetTokenSize(-1): the size must not be negative",
		func() { newAPI().SetTokenSize(-1) })
}

func TestATokenLivesFifteenMinutesByDefault(t *testing.T) {
	api := newAPI(alice)
	assert.WithinDuration(t, time.Now().Add(15*time.Minute), api.Issue(alice.ID).ExpiresAt, 30*time.Second)
	api.SetTokenTTL(time.Hour)
	api.SetTokenTTL(0)
	assert.WithinDuration(t, time.Now().Add(15*time.Minute), api.Issue(alice.ID).ExpiresAt, 30*time.Second)
}

func TestAChangeOfTheTTLLeavesTokensThatAreOut(t *testing.T) {
	api := newAPI(alice)
	token := api.Issue(alice.ID).Token
	api.SetTokenTTL(-time.Second)
	assert.True(t, works(api, bearer(token)))
}

func TestLiveTokensCountsWhatECGridWouldAccept(t *testing.T) {
	api := newAPI(alice, bob)
	assert.Zero(t, api.LiveTokens(alice.ID))
	first := login(t, api, alice)
	second := api.Issue(alice.ID)
	api.Issue(bob.ID)
	assert.Equal(t, 2, api.LiveTokens(alice.ID))

	call(t, api, http.MethodPost, refreshPath, nil, refreshBody(t, first.Token))
	assert.Equal(t, 2, api.LiveTokens(alice.ID), "a refresh replaces a token")

	call(t, api, http.MethodPost, logoutPath, bearer(second.Token), "")
	assert.Equal(t, 1, api.LiveTokens(alice.ID))

	api.SetTokenTTL(-time.Second)
	api.Issue(alice.ID)
	assert.Equal(t, 1, api.LiveTokens(alice.ID), "an expired token does not count")
}

func TestLiveTokensOfAnUnknownUserAreNone(t *testing.T) {
	assert.Zero(t, newAPI(alice).LiveTokens(99))
}
