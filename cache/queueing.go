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

// borrow takes n bytes of memory from the blocks, of which those that are not in
// use make room; giveBack ends it. It fails only when ctx ends. Who borrows sees to
// it that never more than lendable bytes are lent: reads need the rest, also those
// that borrowers wait for.
func (b *Blocks) borrow(ctx context.Context, n int64) error {
	return b.await(ctx, func(mayGrow bool) bool {
		if !mayGrow || b.pinned+n > b.roomLocked() {
			return false
		}
		b.evictLocked(n)
		b.lent += n
		b.arena.trim(b.roomLocked() - b.charged)
		return true
	})
}

// giveBack ends a borrow of n bytes.
func (b *Blocks) giveBack(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lent -= n
	b.grantLocked()
}

// lendable returns how many bytes may be lent at once.
func (b *Blocks) lendable() int64 { return b.limit - b.reserve() }

// reserve is what blocks keep, in bytes: two reads of the largest size.
func (b *Blocks) reserve() int64 { return max(b.limit/8, 2<<20) }
