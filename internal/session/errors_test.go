package session

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestAChangingSessionIsReportedAsTooLargeForItsCookie(t *testing.T) {
	assert.ErrorIs(t, ErrChanging, ErrTooLarge)
	assert.EqualError(t, ErrChanging, "ecgridsession: session too large: the session is changing")
}
