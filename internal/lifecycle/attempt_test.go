package lifecycle

import (
	"github.com/ecgrid-contrib/ecgridsession/internal/session"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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

// claimed is an attempt that holds the lease and is about to ask.
func claimed(t *testing.T, g goal, at sight, failures uint64) attempt {
	t.Helper()
	a := attempt{goal: g, credential: record.Credential{Token: "old", ExpiresAt: 1}, holder: 7}
	a.looked(session.Entry{State: session.Live, Credential: a.credential, Failures: failures, Stored: []byte{1}}, nil, at)
	require.Equal(t, stepSwap, a.todo)
	require.Equal(t, toClaim, a.purpose)
	a.swapped([]byte{2}, true, nil)
	require.Equal(t, stepAsk, a.todo)
	return a
}

func TestAFinalAnswerEndsTheSessionOnlyIfECGridRefusesTheTokenInCallsAsWell(t *testing.T) {
	due := claimed(t, goalRefresh, sight{due: true}, 0)
	due.answered(reply{final: true})
	assert.Equal(t, toAbort, due.purpose, "the token keeps its life")
	assert.True(t, due.next.Final)

	refused := claimed(t, goalSupersede, sight{renewable: true}, 0)
	refused.answered(reply{final: true})
	assert.Equal(t, toEnd, refused.purpose)

	later := attempt{goal: goalSupersede, credential: due.credential}
	later.looked(due.next, nil, sight{renewable: true})
	assert.Equal(t, toEnd, later.purpose, "without another call to ECGrid")
	assert.Equal(t, stepSwap, later.todo)
}

func TestAFinalAnswerAboutAnOlderTokenEndsNothing(t *testing.T) {
	a := attempt{goal: goalSupersede, generation: 2, credential: record.Credential{Token: "new"}}
	a.looked(session.Entry{State: session.Live, Generation: 1, Final: true, Stored: []byte{1}}, nil, sight{renewable: true})
	assert.Equal(t, toClaim, a.purpose)
}

func TestAPauseThatECGridAskedForIsKeptOnEveryReplica(t *testing.T) {
	holder := claimed(t, goalRefresh, sight{due: true}, 0)
	holder.answered(reply{pause: time.Minute})
	require.Equal(t, time.Minute, holder.next.Pause)

	for stood, want := range map[time.Duration]step{0: stepDone, 59 * time.Second: stepDone, time.Minute: stepSwap} {
		other := attempt{credential: holder.credential}
		other.looked(holder.next, nil, sight{due: true, stood: stood})
		assert.Equal(t, want, other.todo, "after %s", stood)
	}
}
