package ecgridtest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// An app that is run without an ECGrid account serves the API itself. A test
// uses NewServer instead.
func ExampleNewAPI() {
	api := ecgridtest.NewAPI()
	api.AddUser(ecgridtest.User{ID: 1042, Login: "alice", Password: "correct horse"})
	server := httptest.NewServer(api)
	defer server.Close()

	resp, err := http.Post(server.URL+"/v2/auth/login", "application/json",
		strings.NewReader(`{"login":"alice","password":"correct horse"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	var answer struct {
		Success bool
		Data    struct{ UserID int64 }
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(resp.StatusCode, answer.Success, answer.Data.UserID, api.LiveTokens(1042))
	// Output: 200 true 1042 1
}

// ECGrid is down for the first two calls to logout; the third finds it well
// again.
func ExampleAPI_Inject() {
	api := ecgridtest.NewAPI()
	api.AddUser(ecgridtest.User{ID: 1042, Login: "alice"})
	server := httptest.NewServer(api)
	defer server.Close()
	token := api.Issue(1042).Token

	api.Inject(ecgridtest.Fault{Path: "/v2/auth/logout", Times: 2, Status: http.StatusServiceUnavailable})
	for range 3 {
		r, err := http.NewRequest(http.MethodPost, server.URL+"/v2/auth/logout", nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		r.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			fmt.Println(err)
			return
		}
		resp.Body.Close()
	}

	for _, call := range api.Calls("/v2/auth/logout") {
		fmt.Println(call.Method, call.Path, call.Status, call.Kind)
	}
	fmt.Println("live tokens:", api.LiveTokens(1042))
	// Output:
	// POST /v2/auth/logout 503 bearer
	// POST /v2/auth/logout 503 bearer
	// POST /v2/auth/logout 200 bearer
	// live tokens: 0
}
