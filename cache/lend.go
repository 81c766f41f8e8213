package cache

import "context"

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
