package cache

import (
	"context"
	"slices"
)

// waiting is somebody in the queue for room in Blocks.
type waiting struct {
	try     func(mayGrow bool) bool // takes what it wants if there is room; called with Blocks.mu
	granted chan struct{}           // closed when it has it
}

// await has try take what it wants as soon as there is room, after those that
// came before. It fails only when ctx ends.
func (b *Blocks) await(ctx context.Context, try func(mayGrow bool) bool) error {
	b.mu.Lock()
	if try(len(b.queue) == 0) {
		b.mu.Unlock()
		return nil
	}
	w := &waiting{try: try, granted: make(chan struct{})}
	b.queue = append(b.queue, w)
	b.mu.Unlock()

	select {
	case <-w.granted:
		return nil
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.Index(b.queue, w); i >= 0 {
		b.queue = slices.Delete(b.queue, i, i+1)
		b.grantLocked()
		return context.Cause(ctx)
	}
	return nil // granted meanwhile: what it created must be fetched, what it borrowed returned
}

// grantLocked serves the queue as far as there is room.
func (b *Blocks) grantLocked() {
	for len(b.queue) > 0 {
		w := b.queue[0]
		b.queue = slices.Delete(b.queue, 0, 1)
		if !w.try(true) {
			b.queue = slices.Insert(b.queue, 0, w)
			return
		}
		close(w.granted)
	}
}
