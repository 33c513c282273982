package session

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestSetbacksComeBackAsTheyWereWritten(t *testing.T) {
	for _, want := range []Entry{
		{}, {Failures: 1}, {Failures: maxFailures, Final: true, Pause: maxPause}, {Final: true}, {Failures: 3, Pause: time.Hour},
	} {
		var got Entry
		got.Failures, got.Final, got.Pause = unpackSetbacks(packSetbacks(want.Failures, want.Final, want.Pause))
		assert.Equal(t, want, got)
	}
}

func TestSetbacksOutOfRangeAreBounded(t *testing.T) {
	failures, final, pause := unpackSetbacks(packSetbacks(1<<40, false, 1000*time.Hour))
	assert.Equal(t, uint64(maxFailures), failures)
	assert.False(t, final)
	assert.Equal(t, maxPause, pause)
	_, _, pause = unpackSetbacks(1<<64 - 1)
	assert.Equal(t, maxPause, pause)
	_, _, pause = unpackSetbacks(packSetbacks(0, false, time.Millisecond))
	assert.Equal(t, time.Second, pause, "rounded up")
}

func TestSetbacksOfAPlainCountAreWrittenAsVersionOneWroteThem(t *testing.T) {
	assert.Equal(t, uint64(5), packSetbacks(5, false, 0))
}
