package cache

import "sync"

// watches are the goroutines that look again at objects. Unlike a WaitGroup, they
// may be waited for while the first of them begins. The zero value is ready.
type watches struct {
	mu   sync.Mutex // leaf
	n    int
	none chan struct{} // closed when n is 0 again; nil: there was never one
}

// Go runs f in a goroutine.
func (w *watches) Go(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.n == 0 {
		w.none = make(chan struct{})
	}
	w.n++
	go func() {
		defer w.done()
		f()
	}()
}

func (w *watches) done() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.n--; w.n == 0 {
		close(w.none)
	}
}

// ended returns a channel that is closed once those that run now have ended, and
// all that have begun until then.
func (w *watches) ended() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.n == 0 {
		none := make(chan struct{})
		close(none)
		return none
	}
	return w.none
}
