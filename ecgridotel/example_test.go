package ecgridotel_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/ecgridotel"
	"github.com/ecgrid-contrib/ecgridsession/ecgridtest"
)

// An app exports its metrics with a reader of its choice; this one is read by
// hand.
func ExampleOnEvent() {
	grid := ecgridtest.NewAPI() // in place of ECGrid
	grid.AddUser(ecgridtest.User{ID: 1042, Login: "alice", Password: "correct horse"})
	server := httptest.NewServer(grid)
	defer server.Close()

	reader := metric.NewManualReader()
	record, err := ecgridotel.OnEvent(ecgridotel.Config{
		MeterProvider: metric.NewMeterProvider(metric.WithReader(reader)),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	sessions, err := ecgridsession.New(ecgridsession.Config{
		Upstream: server.URL,
		Keys:     [][]byte{[]byte("32 random bytes in a real app...")},
		OnEvent:  record,
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/login", nil)
	if _, err := sessions.Login(w, r, "alice", "correct horse"); err != nil {
		fmt.Println(err)
		return
	}
	r = httptest.NewRequest(http.MethodPost, "/logout", nil)
	r.AddCookie(w.Result().Cookies()[0])
	if _, err := sessions.Logout(httptest.NewRecorder(), r); err != nil {
		fmt.Println(err)
		return
	}

	var all metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &all); err != nil {
		fmt.Println(err)
		return
	}
	for _, m := range all.ScopeMetrics[0].Metrics {
		if sum, ok := m.Data.(metricdata.Sum[int64]); ok {
			for _, point := range sum.DataPoints {
				fmt.Println(m.Name, point.Value, m.Unit)
			}
		}
	}
	// Output:
	// ecgridsession.logins 1 {login}
	// ecgridsession.logouts 1 {logout}
}
