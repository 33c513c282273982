package lifecycle

import (
	"github.com/ecgrid-contrib/ecgridsession/internal/session"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ecgrid-contrib/ecgridsession/internal/record"
)

func TestATokenThatCameBesideANewerOneIsGivenUp(t *testing.T) {
	a := attempt{fresh: record.Credential{Token: "ours"}, asked: true}
	a.looked(session.Entry{State: session.Live, Generation: 1, Credential: record.Credential{Token: "theirs"}, Stored: []byte{1}}, nil, sight{})

	assert.Equal(t, stepDone, a.todo)
	assert.Equal(t, verdictKept, a.result)
	assert.Equal(t, "theirs", a.credential.Token)
	assert.Equal(t, "ours", a.orphan.Token)
}

func TestBackoffDoublesUpToHalfAMinute(t *testing.T) {
	for failures, want := range map[uint64]time.Duration{
		0: 0, 1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 6: 30 * time.Second, 1 << 40: 30 * time.Second,
	} {
		assert.Equal(t, want, backoff(failures), "after %d failures", failures)
	}
}
