package ecgridtest

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// One call beyond the auth endpoints, so that an app under test has something
// to ask for with its token. The parcels are made up; nothing is stored, sent
// or received.

const (
	statusReady       = "InBoxReady"
	statusTransferred = "InBoxTransferred"

	defaultRecordsPerPage = 100
)

// parcel is one row of the answer, with the fields that ECGrid documents.
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

// inboxList knows the one mailbox of the user that calls. Another's is refused
// and not empty: an app that mixes up its users is to notice.
func (a *API) inboxList(c caller, body []byte) answer {
	var in struct {
		MailboxID int
		Status    string
		// Pointers, to tell a 0 that was sent from a field that was not.
		PageNo         *int
		RecordsPerPage *int
	}
	// Every field is optional, and so is the body.
	if strings.TrimSpace(string(body)) != "" && !decode(body, &in) {
		return invalidParameter("The body is not a JSON object of the documented form.")
	}
	// The documentation leaves the defaults open.
	page, perPage := 1, defaultRecordsPerPage
	if in.PageNo != nil {
		page = *in.PageNo
	}
	if in.RecordsPerPage != nil {
		perPage = *in.RecordsPerPage
	}
	if page < 1 || perPage < 1 {
		return invalidParameter("pageNo and recordsPerPage begin at 1.")
	}
	if in.MailboxID != 0 && in.MailboxID != c.user.MailboxID {
		return failure(http.StatusForbidden, codeAccessDenied, "The mailbox is another's.")
	}

	matching := []parcel{} // not nil: an empty list is [] in JSON
	for _, p := range inbox(c.user.NetworkID, c.user.MailboxID) {
		if in.Status == "" || in.Status == p.Status {
			matching = append(matching, p)
		}
	}
	// Compared before it is multiplied, which could overflow.
	if page-1 > len(matching)/perPage {
		return success([]parcel{})
	}
	from := (page - 1) * perPage
	return success(matching[from : min(len(matching)-from, perPage)+from])
}

// inbox is the same for a mailbox whenever it is asked for, so that a test can
// compare whole answers.
func inbox(networkID, mailboxID int) []parcel {
	// Names and sizes as they come in EDI, so that an example's page looks like
	// one.
	documents := []struct {
		name  string // of the document in X12 or EDIFACT
		ext   string
		bytes int64
	}{
		{"850_PO", "x12", 2874},
		{"850_PO", "x12", 4310},
		{"860_POC", "x12", 1192},
		{"997_FA", "x12", 402},
		{"ORDERS_D96A", "edi", 3561},
		{"810_INV", "x12", 2218},
		{"856_ASN", "x12", 6047},
		{"DESADV_D96A", "edi", 5120},
		{"820_RA", "x12", 1764},
		{"846_INVT", "x12", 9873},
		{"INVOIC_D96A", "edi", 3308},
		{"997_FA", "x12", 398},
	}
	start := time.Date(2026, time.January, 14, 6, 42, 0, 0, time.UTC)
	parcels := make([]parcel, len(documents))
	for i, d := range documents {
		created := start.Add(time.Duration(i) * 7 * time.Hour)
		p := parcel{
			ParcelID:     int64(mailboxID)*1000 + int64(i) + 1,
			MailboxID:    mailboxID,
			NetworkID:    networkID,
			FileName:     fmt.Sprintf("%s_%s_%04d.%s", d.name, created.Format("20060102"), 42+i, d.ext),
			Bytes:        d.bytes,
			Status:       statusReady,
			ECGridIDFrom: 501200 + i%4,
			ECGridIDTo:   mailboxID*10 + 1,
			Created:      created.Format(timeFormat),
			Modified:     created.Format(timeFormat),
		}
		if i%3 == 2 {
			p.Status = statusTransferred
			p.Modified = created.Add(11 * time.Minute).Format(timeFormat)
		}
		parcels[i] = p
	}
	return parcels
}
