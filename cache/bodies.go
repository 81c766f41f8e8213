package cache

import "sync"

// bodies are buffers of request bodies. Those of parts come from an arena: making
// them anew costs the collector more than sending them, and what is free of them
// must not stay beside the blocks that have its room again. Safe for concurrent use.
type bodies struct {
	mu    sync.Mutex // leaf
	arena *arena
	slots int                // of the arena
	lent  map[*byte]struct{} // slots in use, by their first byte
}

// spareBodies is how many free buffers stay in memory while others are in use: the
// next part takes one of them.
const spareBodies = 1

// newBodies makes buffers for parts of size bytes, of limit bytes in all.
func newBodies(limit, size int64) *bodies {
	b := &bodies{lent: map[*byte]struct{}{}}
	n := limit / size
	b.arena, b.slots = newArena(n, size, b), int(n)
	return b
}

// get returns a buffer of size bytes with any content.
func (b *bodies) get(size int64) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if size < minPartSize || size > int64(b.arena.slot) || len(b.lent) == b.slots {
		return make([]byte, size)
	}
	slot := b.arena.get()
	b.lent[&slot[0]] = struct{}{}
	return slot[:size]
}

// put takes a buffer back.
func (b *bodies) put(buf []byte) {
	if len(buf) == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, isSlot := b.lent[&buf[0]]; !isSlot {
		return
	}
	delete(b.lent, &buf[0])
	b.arena.put(buf[:b.arena.slot])
	b.arena.trim(int64(min(spareBodies, len(b.lent)) * b.arena.slot))
}
