package ecgridtest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

const (
	defaultAuthLevel = "MailboxUser"
	defaultNetworkID = 41
	defaultMailboxID = 4101
)

// A User is someone whom the fake ECGrid knows.
type User struct {
	// ID is the userId, over 0. Required.
	ID int64

	// Login and Password are what the user signs in with. Without a Password
	// the user cannot sign in, but [API.Issue] still gives out tokens.
	Login, Password string

	// APIKey is the user's key; empty: none. A user has a Login, an APIKey or
	// both.
	APIKey string

	// AuthLevel is one of ECGrid's: NoChange, Root, TechOps, NetOps,
	// NetworkAdmin, NetworkUser, MailboxAdmin, MailboxUser, TPUser and General.
	// Empty: MailboxUser. AuthLevel decides who may reset the tokens of a user.
	// It
	AuthLevel string

	// NetworkID and MailboxID are 41 and 4101 where they are 0.
	NetworkID, MailboxID int
}

// user is a User with the sessions that are its own. The Password changes by
// changePassword; the rest stays.
type user struct {
	User
	sessions map[*session]struct{}
}

// AddUser makes u known. It may be called at any time.
//
// It panics, since the test could not mean it, if the ID is not over 0 or
// taken, if Login and APIKey are both empty or one of them is taken, if the
// APIKey has characters that no header can carry, if AuthLevel is not one of
// ECGrid's, or if NetworkID or MailboxID is negative.
func (a *API) AddUser(u User) {
	if u.AuthLevel == "" {
		u.AuthLevel = defaultAuthLevel
	}
	if u.NetworkID == 0 {
		u.NetworkID = defaultNetworkID
	}
	if u.MailboxID == 0 {
		u.MailboxID = defaultMailboxID
	}

	a.mu.Lock()
	defer a.mu.Unlock()
	if fault := a.unfit(u); fault != "" {
		// The ID and the login only: the panic ends in the test's log.
		panic(fmt.Sprintf("ecgridtest: AddUser(ID %d, Login %q): %s", u.ID, u.Login, fault))
	}
	// Nothing was stored before this line: a user that is refused leaves no
	// trace.
	known := &user{User: u, sessions: make(map[*session]struct{})}
	a.users[u.ID] = known
	if u.Login != "" {
		a.byLogin[u.Login] = known
	}
	if u.APIKey != "" {
		a.byKey[u.APIKey] = known
	}
}

// unfit says what is wrong with u, or "". The lock is held.
func (a *API) unfit(u User) string {
	switch {
	case u.ID <= 0:
		return "the ID must be over 0"
	case a.users[u.ID] != nil:
		return "a user with this ID was added before"
	case u.Login == "" && u.APIKey == "":
		return "a user needs a Login or an APIKey"
	case a.byLogin[u.Login] != nil:
		return "a user with this Login was added before"
	case a.byKey[u.APIKey] != nil:
		return "a user with this APIKey was added before"
	case strings.ContainsFunc(u.APIKey, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "the APIKey may have visible ASCII characters only"
	case !slices.Contains(authLevels, u.AuthLevel):
		return fmt.Sprintf("ECGrid has no AuthLevel %q", u.AuthLevel)
	case u.NetworkID < 0 || u.MailboxID < 0:
		return "NetworkID and MailboxID must not be negative"
	}
	return ""
}

// authLevels are all that ECGrid documents: a test with a misspelt one would
// test nothing.
var authLevels = []string{
	"NoChange", "Root", "TechOps", "NetOps", "NetworkAdmin", "NetworkUser",
	"MailboxAdmin", "MailboxUser", "TPUser", "General",
}

// mayReset tells who may end the sessions of a user. ECGrid documents that the
// level can be too low, but not which: these are the levels that administer
// others.
func mayReset(authLevel string) bool {
	switch authLevel {
	case "Root", "TechOps", "NetOps", "NetworkAdmin", "MailboxAdmin":
		return true
	}
	return false
}

// resetUser ends the bearer sessions of a user and leaves the API key, as the
// reset of ECGrid does.
func (a *API) resetUser(c caller, id string) answer {
	number, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return invalidParameter("The user's id is not an integer.")
	}
	// Before the user is looked for, so that the answer does not tell those
	// who may not reset anyone which users exist.
	if !mayReset(c.user.AuthLevel) {
		return failure(http.StatusForbidden, codeAccessDenied, "The authLevel is too low.")
	}
	u, ok := a.users[number]
	if !ok {
		return failure(http.StatusNotFound, codeObjectNotFound, "No such user.")
	}
	for s := range u.sessions {
		a.end(s)
	}
	return success(true)
}
