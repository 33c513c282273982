package ledgertest

import "github.com/ecgrid-contrib/ecgridsession"

// Clauses returns what Run runs, by name.
func Clauses() map[string]func(ecgridsession.Ledger) error {
	byName := make(map[string]func(ecgridsession.Ledger) error)
	for _, c := range clauses {
		byName[c.name] = c.holds
	}
	return byName
}
