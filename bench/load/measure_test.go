package load_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ecgrid-contrib/ecgridsession/bench/load"
)

// tiny goes through everything once or twice, and says nothing about speed.
func tiny() load.Options {
	return load.Options{
		Rounds: 2, Slice: 20 * time.Millisecond, Conns: 2, SignOuts: 2, Hangs: 1, LogoutTimeout: 2 * time.Second,
	}
}

func TestAMeasurementRunsToItsEndAndLeavesNoProcess(t *testing.T) {
	children := watchChildren(t)
	options := tiny()
	var rounds []int
	var running int
	options.Progress = func(round, of int) {
		rounds = append(rounds, round)
		assert.Equal(t, 2, of)
		running = max(running, children.running())
	}
	result, err := load.Measure(t.Context(), options)
	require.NoError(t, err)
	assert.Equal(t, []int{1, 2}, rounds)
	children.assertSome(running)
	children.assertNone()

	tables := result.Tables()
	require.Len(t, tables, 3)
	for _, table := range tables {
		assert.NotEmpty(t, table.Title)
		assert.NotEmpty(t, table.Note)
		require.NotEmpty(t, table.Rows)
		for _, row := range table.Rows {
			assert.Len(t, row, len(table.Head))
			for _, cell := range row {
				assert.NotEmpty(t, cell)
				assert.NotContains(t, cell, "NaN", "%q", row)
				assert.NotContains(t, cell, "Inf", "%q", row)
			}
		}
	}
	targets := result.Targets()
	require.Len(t, targets, 6)
	for _, target := range targets {
		assert.NotContains(t, target.Measured, "NaN")
		assert.NotContains(t, target.Measured, "Inf")
	}
}

func TestACancelledMeasurementLeavesNoProcess(t *testing.T) {
	children := watchChildren(t)
	ctx, cancel := context.WithCancel(t.Context())
	options := tiny()
	options.Rounds = 1 << 20
	var running int
	options.Progress = func(int, int) {
		running = children.running()
		cancel()
	}
	_, err := load.Measure(ctx, options)
	require.ErrorIs(t, err, context.Canceled)
	children.assertSome(running)
	children.assertNone()
}

func TestAMeasurementOnSharedCoresRunsToItsEnd(t *testing.T) {
	options := tiny()
	options.ShareCores = true
	result, err := load.Measure(t.Context(), options)
	require.NoError(t, err)
	assert.Len(t, result.Targets(), 6)
}

func TestAProgramThatDoesNotCallChildIsNotStartedAgain(t *testing.T) {
	defer load.ForgetChild()()
	_, err := load.Measure(t.Context(), tiny())
	require.ErrorContains(t, err, "load.Child")
}

func TestNegativeOptionsAreRefused(t *testing.T) {
	for name, change := range map[string]func(*load.Options){
		"Rounds":         func(o *load.Options) { o.Rounds = -1 },
		"Slice":          func(o *load.Options) { o.Slice = -1 },
		"Conns":          func(o *load.Options) { o.Conns = -1 },
		"ServerProcs":    func(o *load.Options) { o.ServerProcs = -1 },
		"GeneratorProcs": func(o *load.Options) { o.GeneratorProcs = -1 },
		"SignOuts":       func(o *load.Options) { o.SignOuts = -1 },
		"Hangs":          func(o *load.Options) { o.Hangs = -1 },
		"LogoutTimeout":  func(o *load.Options) { o.LogoutTimeout = -1 },
	} {
		options := tiny()
		change(&options)
		_, err := load.Measure(t.Context(), options)
		require.Error(t, err, name)
		assert.True(t, strings.HasPrefix(err.Error(), "load: "), err)
	}
}
