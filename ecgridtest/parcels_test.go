package ecgridtest_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type parcel struct {
	ParcelID     int64  `json:"parcelId"`
	MailboxID    int    `json:"mailboxId"`
	NetworkID    int    `json:"networkId"`
	FileName     string `json:"fileName"`
	Bytes        int64  `json:"bytes"`
	Status       string `json:"status"`
	ECGridIDFrom int    `json:"ecGridIdFrom"`
	ECGridIDTo   int    `json:"ecGridIdTo"`
	Created      string `json:"created"`
	Modified     string `json:"modified"`
}

func inbox(t testing.TB, api http.Handler, header http.Header, body string) []parcel {
	t.Helper()
	got := call(t, api, http.MethodPost, inboxPath, header, body)
	require.Equal(t, http.StatusOK, got.Status, "body: %s", got.Body)
	require.Equal(t, byte('['), got.Data[0], "an empty list is a list too")
	var parcels []parcel
	require.NoError(t, json.Unmarshal(got.Data, &parcels))
	return parcels
}

func TestAnInboxHasTwelveFilesOfTheUsersMailbox(t *testing.T) {
	api := newAPI(alice, bob)
	parcels := inbox(t, api, bearer(api.Issue(bob.ID).Token), "")
	require.Len(t, parcels, 12)
	seen := map[int64]bool{}
	for _, p := range parcels {
		assert.False(t, seen[p.ParcelID], "parcelId %d twice", p.ParcelID)
		seen[p.ParcelID] = true
		assert.Equal(t, 77, p.MailboxID)
		assert.Equal(t, 7, p.NetworkID)
		assert.Positive(t, p.Bytes)
		assert.Positive(t, p.ECGridIDFrom)
		assert.Positive(t, p.ECGridIDTo)
		created, err := time.Parse(time.RFC3339, p.Created)
		require.NoError(t, err)
		modified, err := time.Parse(time.RFC3339, p.Modified)
		require.NoError(t, err)
		assert.False(t, modified.Before(created))
		assert.Contains(t, p.FileName, created.Format("_20060102_"))
	}
	assert.Equal(t, "850_PO_20260114_0042.x12", parcels[0].FileName)
}

func TestAnInboxIsTheSameEachTime(t *testing.T) {
	one, other := newAPI(alice), newAPI(alice)
	assert.Equal(t, inbox(t, one, apiKey(alice.APIKey), ""), inbox(t, other, apiKey(alice.APIKey), "{}"))
}

func TestAnInboxIsPaged(t *testing.T) {
	api := newAPI(alice)
	all := inbox(t, api, apiKey(alice.APIKey), "")
	for name, c := range map[string]struct {
		body string
		want []parcel
	}{
		"first page":           {`{"pageNo":1,"recordsPerPage":5}`, all[0:5]},
		"no pageNo":            {`{"recordsPerPage":5}`, all[0:5]},
		"second page":          {`{"pageNo":2,"recordsPerPage":5}`, all[5:10]},
		"last page":            {`{"pageNo":3,"recordsPerPage":5}`, all[10:12]},
		"after the last":       {`{"pageNo":4,"recordsPerPage":5}`, []parcel{}},
		"after a full last":    {`{"pageNo":3,"recordsPerPage":6}`, []parcel{}},
		"far after":            {`{"pageNo":9223372036854775807,"recordsPerPage":5}`, []parcel{}},
		"huge page":            {`{"recordsPerPage":9223372036854775807}`, all},
		"second of huge pages": {`{"pageNo":2,"recordsPerPage":9223372036854775807}`, []parcel{}},
		"one page by default":  {`{"pageNo":1}`, all},
		"paged after filtered": {`{"status":"InBoxTransferred","pageNo":2,"recordsPerPage":3}`, all[11:12]},
		"own mailbox":          {`{"mailboxId":4101}`, all},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, c.want, inbox(t, api, apiKey(alice.APIKey), c.body))
		})
	}
}

func TestAnInboxIsFilteredByStatus(t *testing.T) {
	api := newAPI(alice)
	for status, want := range map[string]int{"InBoxReady": 8, "InBoxTransferred": 4, "Unheard": 0, "": 12} {
		parcels := inbox(t, api, apiKey(alice.APIKey), `{"status":"`+status+`"}`)
		assert.Len(t, parcels, want)
		for _, p := range parcels {
			if status != "" {
				assert.Equal(t, status, p.Status)
			}
		}
	}
}

func TestAnInboxListIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		body   string
		status int
		code   string
	}{
		"page 0":            {`{"pageNo":0}`, 400, "InvalidParameter"},
		"negative page":     {`{"pageNo":-1}`, 400, "InvalidParameter"},
		"empty pages":       {`{"recordsPerPage":0}`, 400, "InvalidParameter"},
		"wrong type":        {`{"pageNo":"1"}`, 400, "InvalidParameter"},
		"not JSON":          {`pageNo=1`, 400, "InvalidParameter"},
		"another's mailbox": {`{"mailboxId":77}`, 403, "AccessDenied"},
	} {
		t.Run(name, func(t *testing.T) {
			got := call(t, newAPI(alice, bob), http.MethodPost, inboxPath, apiKey(alice.APIKey), c.body)
			assert.Equal(t, c.status, got.Status)
			assert.Equal(t, c.code, got.code())
		})
	}
}
