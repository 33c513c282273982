package lifecycle

import (
	"sync"
	"time"
)

// flights remembers when each flight of this process began. The zero value is
// ready.
type flights struct {
	mu    sync.Mutex
	began map[string]time.Time
}

func (f *flights) begin(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.began == nil {
		f.began = make(map[string]time.Time)
	}
	f.began[key] = time.Now()
}

func (f *flights) end(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.began, key)
}

// since returns how long the flight has lasted; 0 if it is only about to begin.
func (f *flights) since(key string) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	began, flying := f.began[key]
	if !flying {
		return 0
	}
	return time.Since(began)
}
