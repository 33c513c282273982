package ecgridtest_test

import (
	"fmt"
	"net/http/httptest"
	"strings"

	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// An app that works with every dialect is ready for the one that the service speaks.
func ExampleAPI_SetDialect() {
	grid := ecgridtest.NewAPI()
	grid.SetDialect(ecgridtest.DialectGuide) // no userId, and a refresh token
	grid.AddUser(ecgridtest.User{ID: 1042, Login: "alice", Password: "correct horse"})

	w := httptest.NewRecorder()
	grid.ServeHTTP(w, httptest.NewRequest("POST", "/v2/auth/login",
		strings.NewReader(`{"email":"alice","password":"correct horse"}`)))
	fmt.Println(w.Code, strings.Contains(w.Body.String(), "userId"), strings.Contains(w.Body.String(), "refreshToken"))
	// Output: 200 false true
}
