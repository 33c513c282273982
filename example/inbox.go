package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	inboxTimeout = 10 * time.Second

	// pageSize is how many parcels the page shows.
	pageSize = 50

	// maxInbox bounds what is read of an answer, in bytes.
	maxInbox = 4 << 20
)

// parcel is a file that waits in the user's mailbox, as far as it is shown.
type parcel struct {
	ID       int64  `json:"parcelId"`
	FileName string `json:"fileName"`
	Bytes    int64  `json:"bytes"`
	Status   string `json:"status"`
	From     int64  `json:"ecGridIdFrom"`
	To       int64  `json:"ecGridIdTo"`
	Created  moment `json:"created"`
}

// parcels asks ECGrid for the inbox of the user whose session is in ctx. All it
// takes is the library's client: it attaches the credential, and ends the
// session if ECGrid no longer accepts it.
func (a *app) parcels(ctx context.Context) ([]parcel, error) {
	ctx, cancel := context.WithTimeout(ctx, inboxTimeout)
	defer cancel()
	body := fmt.Sprintf(`{"pageNo":1,"recordsPerPage":%d}`, pageSize)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.inboxURL, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the inbox was answered with %d", resp.StatusCode)
	}
	var answer struct {
		Success bool     `json:"success"`
		Data    []parcel `json:"data"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxInbox)).Decode(&answer); err != nil {
		return nil, fmt.Errorf("the inbox was answered with something else: %w", err)
	}
	if !answer.Success {
		return nil, fmt.Errorf("the inbox was refused with success:false")
	}
	return answer.Data, nil
}

// moment is a time of ECGrid's: ISO 8601 in UTC. One that cannot be read is
// zero, since a file is worth showing without its date.
type moment struct{ time.Time }

// UnmarshalJSON implements [json.Unmarshaler].
func (m *moment) UnmarshalJSON(text []byte) error {
	unquoted := strings.Trim(string(text), `"`)
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, unquoted); err == nil {
			m.Time = t.UTC()
			return nil
		}
	}
	return nil
}
