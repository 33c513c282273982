//go:build linux

package stores_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/credentials"
	"github.com/savaki/dynastore"
	"github.com/stretchr/testify/require"
)

// dynamoDB answers the three calls that dynastore makes, as DynamoDB does. The
// service itself runs only at AWS. Of a row it needs the id alone, so it keeps the
// JSON as it came.
type dynamoDB struct {
	mu   sync.Mutex
	rows map[string]json.RawMessage
}

// dynamoID is the attribute by which dynastore finds a row.
type dynamoID struct {
	ID struct{ S string } `json:"id"`
}

// ServeHTTP implements [http.Handler].
func (d *dynamoDB) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var call struct {
		Key  dynamoID
		Item json.RawMessage
	}
	var item dynamoID
	err := json.NewDecoder(r.Body).Decode(&call)
	if err == nil && call.Item != nil {
		err = json.Unmarshal(call.Item, &item)
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	d.mu.Lock()
	defer d.mu.Unlock()
	target := r.Header.Get("X-Amz-Target")
	switch {
	case err == nil && target == "DynamoDB_20120810.PutItem" && item.ID.S != "":
		d.rows[item.ID.S] = call.Item
	case err == nil && target == "DynamoDB_20120810.DeleteItem" && call.Key.ID.S != "":
		// A row that is not there is no error.
		delete(d.rows, call.Key.ID.S)
	case err == nil && target == "DynamoDB_20120810.GetItem" && call.Key.ID.S != "":
		// Without a row the answer is an empty object.
		if row, ok := d.rows[call.Key.ID.S]; ok {
			json.NewEncoder(w).Encode(map[string]json.RawMessage{"Item": row})
			return
		}
	default:
		w.WriteHeader(http.StatusBadRequest)
		w.Write([]byte(`{"__type":"com.amazon.coral.validate#ValidationException","message":"no such call"}`))
		return
	}
	w.Write([]byte("{}"))
}

// onDynamo is dynastore: it makes the id in New, sets its cookie for a new row
// alone, leaves SameSite out, and heeds the request's context.
func onDynamo(t *testing.T) backend {
	db := &dynamoDB{rows: make(map[string]json.RawMessage)}
	server := httptest.NewServer(db)
	t.Cleanup(server.Close)
	store, err := dynastore.New(dynastore.AWSConfig(&aws.Config{
		Region: aws.String("eu-central-1"), Endpoint: aws.String(server.URL), MaxRetries: aws.Int(0),
		Credentials: credentials.NewStaticCredentials("id", "not-a-secret", ""),
	}))
	require.NoError(t, err)
	return backend{
		store: store,
		rows: func() int {
			db.mu.Lock()
			defer db.mu.Unlock()
			return len(db.rows)
		},
		lose: func() {
			db.mu.Lock()
			defer db.mu.Unlock()
			clear(db.rows)
		},
		fail: server.Close,
	}
}
