package ecgrid

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestATokensLifeIsMeasuredByTheDateOfItsAnswer(t *testing.T) {
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		date    time.Time
		expires time.Time
		want    time.Duration // from now; 0: refused
	}{
		"clocks agree":              {now, now.Add(15 * time.Minute), 15 * time.Minute},
		"a second apart":            {now.Add(-time.Second), now.Add(15 * time.Minute), 15 * time.Minute},
		"ECGrid an hour ahead":      {now.Add(time.Hour), now.Add(75 * time.Minute), 15 * time.Minute},
		"ECGrid an hour behind":     {now.Add(-time.Hour), now.Add(-45 * time.Minute), 15 * time.Minute},
		"ECGrid three minutes off":  {now.Add(-3 * time.Minute), now.Add(12 * time.Minute), 15 * time.Minute},
		"a proxy's Date, in 1970":   {time.Unix(0, 0), now.Add(15 * time.Minute), 15 * time.Minute},
		"a proxy's Date, far ahead": {now.AddDate(1, 0, 0), now.Add(15 * time.Minute), 15 * time.Minute},
		"no Date":                   {time.Time{}, now.Add(15 * time.Minute), 15 * time.Minute},
		"no Date, a little behind":  {time.Time{}, now.Add(-9 * time.Minute), -9 * time.Minute},
		"no Date, absurd":           {time.Time{}, now.Add(-11 * time.Minute), 0},
		"absurd by both":            {now.Add(-time.Minute), now.AddDate(11, 0, 0), 0},
	} {
		t.Run(name, func(t *testing.T) {
			header := http.Header{}
			if !c.date.IsZero() {
				header.Set("Date", c.date.UTC().Format(http.TimeFormat))
			}
			got, ok := clockOf(header, now).expiry(c.expires)
			assert.Equal(t, c.want != 0, ok)
			if ok {
				assert.Equal(t, now.Add(c.want), got)
			}
		})
	}
}
