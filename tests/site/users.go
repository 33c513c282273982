package site

import (
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// Admin may reset users at ECGrid, which demo may not.
var Admin = ecgridtest.User{ID: 11, Login: "admin", Password: "pw", APIKey: "key-of-admin", AuthLevel: "MailboxAdmin"}

// MaxToken is the longest token that a session takes, in bytes.
const MaxToken = 16 << 10
