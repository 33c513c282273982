package ecgridtest_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

func TestATokenExpiresByTheClockOfItsBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newAPI(alice)
		api.SetTokenTTL(time.Hour)
		cred := api.Issue(alice.ID)
		client := &http.Client{Transport: handlerTransport{api}}
		session := func() int {
			resp, err := post(t.Context(), client, "http://ecgrid.example"+sessionPath, cred.Token, "")
			require.NoError(t, err)
			return resp.StatusCode
		}

		assert.Equal(t, time.Now().Add(time.Hour).UTC(), cred.ExpiresAt)
		time.Sleep(time.Hour - time.Millisecond)
		assert.Equal(t, http.StatusOK, session())
		assert.Equal(t, 1, api.LiveTokens(alice.ID))
		time.Sleep(time.Millisecond)
		assert.Equal(t, http.StatusUnauthorized, session())
		assert.Zero(t, api.LiveTokens(alice.ID))
	})
}

func TestADelayPassesByTheClockOfItsBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newAPI()
		api.Inject(ecgridtest.Fault{Delay: time.Hour})
		start := time.Now()
		assert.Equal(t, 200, status(api, http.MethodGet, versionPath, nil, ""))
		assert.Equal(t, time.Hour, time.Since(start))
	})
}

func TestAHungCallEndsAtItsCallersDeadlineInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newAPI()
		api.Inject(ecgridtest.Fault{Hang: true})
		client := &http.Client{Transport: handlerTransport{api}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		_, err := post(ctx, client, "http://ecgrid.example"+logoutPath, "x", "")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, time.Minute, time.Since(start))
	})
}

func TestAHandlerCallWithoutABodyIsFine(t *testing.T) {
	for name, fault := range map[string]ecgridtest.Fault{"no fault": {}, "hang": {Hang: true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := newAPI()
				api.Inject(fault)
				client := &http.Client{Transport: handlerTransport{api}, Timeout: time.Minute}
				resp, err := client.Get("http://ecgrid.example" + versionPath) // the request's Body is nil
				if fault.Hang {
					require.ErrorIs(t, err, context.DeadlineExceeded)
					return
				}
				require.NoError(t, err)
				defer resp.Body.Close() // it stops the timer of Timeout
				body, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				assert.True(t, strings.HasPrefix(string(body), `{"success":true`))
			})
		})
	}
}
