// Package secrets holds the tests of the rule that no secret shows in logs, errors, answers or printed values.
package secrets
