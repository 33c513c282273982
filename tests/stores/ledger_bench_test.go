package stores

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ecgrid-contrib/ecgridsession"
	"github.com/ecgrid-contrib/ecgridsession/internal/session"
	"github.com/ecgrid-contrib/ecgridsession/tests/site"
)

// Run with -cpu 2: requests of several cores meet at the ledger's locks.

// manyEnded is how many ended sessions the ledger of a busy site may hold.
const manyEnded = 1_000_000

var benchKey = []byte(strings.Repeat("bench-key", 4))[:32]

// sealedLedger is the ledger as a Middleware uses it.
func sealedLedger(ledger *ecgridsession.MemoryLedger) *session.Ledger {
	sealed, err := session.NewLedger(ledger, [][]byte{benchKey}, "https://rest.ecgrid.io:443", 0)
	if err != nil {
		panic(err)
	}
	return sealed
}

// benchSite is a middleware and the cookie of a session that needs no refresh.
func benchSite(b *testing.B, ledger ecgridsession.Ledger) (*ecgridsession.Middleware, *http.Request) {
	b.Helper()
	m, err := ecgridsession.New(ecgridsession.Config{Keys: [][]byte{benchKey}, Ledger: ledger, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "https://app.example/", nil)
	// As long as ECGrid's tokens are, in the form of a JWT.
	token := "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9." + strings.Repeat("a", 300) + "." + strings.Repeat("b", 43)
	if _, err := m.Start(w, r, ecgridsession.Credential{Token: token, UserID: 4711, ExpiresAt: time.Now().Add(time.Hour)}); err != nil {
		b.Fatal(err)
	}
	r = httptest.NewRequest(http.MethodGet, "https://app.example/", nil)
	r.AddCookie(w.Result().Cookies()[0])
	return m, r
}

// million is filled once for all benchmarks.
var million = sync.OnceValue(func() *ecgridsession.MemoryLedger {
	ledger := ecgridsession.NewMemoryLedger()
	fillWithEnded(ledger, manyEnded)
	return ledger
})

// fillWithEnded puts n ended sessions into a ledger, as sign-out does.
func fillWithEnded(ledger *ecgridsession.MemoryLedger, n int) {
	sealed := sealedLedger(ledger)
	var id [16]byte
	for i := range n {
		id[0], id[1], id[2], id[15] = byte(i), byte(i>>8), byte(i>>16), 1
		keys := sealed.Keys(id, int64(i))
		_, swapped, err := sealed.SwapEntry(context.Background(), &keys, session.Entry{}, session.Entry{State: session.Ended}, 8*time.Hour)
		if err != nil || !swapped {
			panic(fmt.Sprint("not stored: ", err))
		}
	}
}

// BenchmarkLedgerShareOfARequest is what the ledger costs a request that needs
// no refresh, beside the rest of Wrap in the same run.
func BenchmarkLedgerShareOfARequest(b *testing.B) {
	for _, size := range []struct {
		name   string
		ledger func() *ecgridsession.MemoryLedger
	}{{"empty", ecgridsession.NewMemoryLedger}, {"million", million}} {
		under := size.ledger()
		m, r := benchSite(b, under)
		ledger := sealedLedger(under)
		rec, ok := site.NewCookies(b, site.Upstream, benchKey).Open(r)
		if !ok {
			b.Fatal("no session")
		}
		snap := &session.Snapshot{Record: rec, Keys: ledger.Keys(rec.ID, rec.UserID)}
		b.Run(size.name+"/ledger", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					// What open adds for the ledger: its keys, the look, the verdict.
					keys := ledger.Keys(snap.Record.ID, snap.Record.UserID)
					found, cutOff, err := ledger.Look(b.Context(), &keys)
					if snap.HasEnded(&found, cutOff, err) {
						b.Error("ended")
					}
				}
			})
		})
		b.Run(size.name+"/look", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					ledger.Look(b.Context(), &snap.Keys)
				}
			})
		})
		b.Run(size.name+"/wrap", func(b *testing.B) {
			app := m.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				w := benchWriter{}
				for pb.Next() {
					app.ServeHTTP(w, r)
				}
			})
		})
	}
}

// BenchmarkMemoryLedgerLoad loads keys that are there, of a million, on all
// cores at once.
func BenchmarkMemoryLedgerLoad(b *testing.B) {
	ledger := million()
	sealed := sealedLedger(ledger)
	keys := make([]session.Keys, 1<<16)
	for i := range keys {
		n := i * 15
		keys[i] = sealed.Keys([16]byte{byte(n), byte(n >> 8), byte(n >> 16), 15: 1}, int64(n))
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			values, err := ledger.Load(b.Context(), keys[i%len(keys)].Session(), keys[i%len(keys)].User())
			if err != nil || values[0] == nil {
				b.Error("not found")
				return
			}
		}
	})
}

// BenchmarkEndedSession is what one more ended session costs, in time and in
// memory for as long as it is kept.
func BenchmarkEndedSession(b *testing.B) {
	b.ReportAllocs()
	ledger := ecgridsession.NewMemoryLedger()
	before := heapInUse()
	b.ResetTimer()
	fillWithEnded(ledger, b.N)
	b.StopTimer()
	b.ReportMetric(float64(int64(heapInUse())-int64(before))/float64(b.N), "B/session")
	runtime.KeepAlive(ledger)
}

// benchWriter is a ResponseWriter that keeps nothing.
type benchWriter struct{}

func (benchWriter) Header() http.Header         { return make(http.Header) }
func (benchWriter) Write(p []byte) (int, error) { return len(p), nil }
func (benchWriter) WriteHeader(int)             {}
