package ecgridotel_test

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/ecgrid-contrib/ecgridsession"
)

func TestThePackageCommentListsEachMetricWithItsInstrumentAndUnit(t *testing.T) {
	text, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	documented := map[string]string{}
	for _, line := range regexp.MustCompile(`(?m)^//   - ([a-z.]+): (counter|histogram), (\S+)\. `).FindAllStringSubmatch(string(text), -1) {
		documented[line[1]] = line[2] + ", " + line[3]
	}
	inBubble(t, func(t *testing.T, s *site) {
		s.everyKindOfEvent(t)
		exported, keys := map[string]string{}, map[attribute.Key]bool{}
		note := func(attrs attribute.Set) {
			for _, kv := range attrs.ToSlice() {
				keys[kv.Key] = true
			}
		}
		for name, m := range s.collect() {
			assert.NotEmpty(t, m.Description, name)
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				exported[name] = "counter, " + m.Unit
				for _, point := range data.DataPoints {
					note(point.Attributes)
				}
			case metricdata.Histogram[float64]:
				exported[name] = "histogram, " + m.Unit
				for _, point := range data.DataPoints {
					note(point.Attributes)
				}
			}
		}
		assert.Equal(t, documented, exported)
		for _, span := range s.spans.Ended() {
			for _, e := range span.Events() {
				note(attribute.NewSet(e.Attributes...))
			}
		}
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			assert.Contains(t, string(text), string(key))
		}
	}, func(cfg *ecgridsession.Config) { cfg.IdleTimeout = inADay })
}

const page = "../docs/observability.md"

func TestTheProgramOnThePageAboutObservabilityCompiles(t *testing.T) {
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	programs := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	require.Len(t, programs, 1)
	source := filepath.Join(t.TempDir(), "main.go")
	require.NoError(t, os.WriteFile(source, []byte(programs[0][1]), 0o600))
	// Laid over the checkout as one more package of this module.
	here, err := os.Getwd()
	require.NoError(t, err)
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(here, "observed", "main.go"): source}})
	require.NoError(t, err)
	overlaid := filepath.Join(t.TempDir(), "overlay.json")
	require.NoError(t, os.WriteFile(overlaid, overlay, 0o600))
	output, err := exec.Command("go", "build", "-buildvcs=false", "-o", os.DevNull, "-overlay="+overlaid, "./observed").CombinedOutput()
	assert.NoError(t, err, "%s", output)
	output, err = exec.Command("gofmt", "-l", source).CombinedOutput()
	require.NoError(t, err)
	assert.Empty(t, string(output), "the program is not formatted")
}

func TestThePageAboutObservabilityNamesEachMetricAndNoOther(t *testing.T) {
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	listed, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	for _, line := range regexp.MustCompile(`(?m)^//   - ([a-z.]+): `).FindAllStringSubmatch(string(listed), -1) {
		assert.Contains(t, string(text), "`"+line[1]+"`")
	}
	for _, name := range regexp.MustCompile("`(ecgridsession\\.[a-z.]+)`").FindAllStringSubmatch(string(text), -1) {
		assert.Contains(t, string(listed), name[1])
	}
	for _, link := range regexp.MustCompile(`\]\(([^)]+)\)`).FindAllStringSubmatch(string(text), -1) {
		if !strings.HasPrefix(link[1], "https://") {
			assert.FileExists(t, filepath.Join("../docs", link[1]))
		}
	}
}
