package ecgridotel_test

import (
	"maps"
	"os"
	"regexp"
	"slices"
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
