package fs

import (
	"sync"
	"time"
)

const (
	// repeatTime is how long the same failure is logged once: the kernel asks
	// again after ESTALE, and for one page after a failed readahead.
	repeatTime = 10 * time.Second
	// maxRepeats bounds the failures that are remembered.
	maxRepeats = 1024
)

// repeats remembers what was logged a moment ago.
type repeats struct {
	mu     sync.Mutex // leaf; guards logged
	logged map[string]time.Time
}

// isNew reports whether text is to be logged, and remembers it.
func (r *repeats) isNew(text string) bool {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if at, ok := r.logged[text]; ok && now.Sub(at) < repeatTime {
		return false
	}
	if r.logged == nil || len(r.logged) >= maxRepeats {
		r.logged = map[string]time.Time{}
	}
	r.logged[text] = now
	return true
}
