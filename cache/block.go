package cache

// blockSize is the unit of presence, eviction and waking, in bytes. It is also
// the rounding of random reads: 64 KiB cost about as much as 4 KiB at 20 ms to
// the first byte, and a block that is whole needs no bitmap.
const blockSize = 64 << 10

// blockOverhead is what a block costs beside its data, in bytes: the structs
// and map entries of the block and, for a small object, of its content.
const blockOverhead = 1 << 10

// block is one blockSize piece of a content; the last one is shorter.
//
// It is filling from its creation until done is closed, then ready or failed.
// Its data is written only by the one fetch that fills it, and read only by
// those that hold a reference.
type block struct {
	index  int64
	data   []byte
	charge int64         // bytes of the limit it takes
	done   chan struct{} // closed when ready or failed
	err    error         // why it failed; set before done is closed

	// Guarded by Blocks.mu.
	content  *content
	refs     int      // views, waiting reads and the fetch that fills it
	ready    bool     // data is complete
	detached bool     // not in content.blocks: freed with the last reference
	unplaced bool     // claimed, but not yet part of a fetch
	segment  *segment // where it waits for eviction; nil until ready

	reader  uint64 // the Reader that used it last; 0: none yet
	touched int64  // Blocks.admitted at that use
}

// content is what is kept of one version.
type content struct {
	// All guarded by Blocks.mu.
	version Version // Move changes it
	blocks  map[int64]*block
	readers int                 // open Readers
	fetches map[*fetch]struct{} // under way
	moved   *content            // set when Move joined this content to another
}

// length returns the size in bytes of block index.
func (c *content) length(index int64) int64 {
	return min(blockSize, c.version.Size-index*blockSize)
}

// cost returns what block index takes of the limit, in bytes.
func (c *content) cost(index int64) int64 { return c.length(index) + blockOverhead }

// current follows Move to the content that took over.
func (c *content) current() *content {
	for c.moved != nil {
		c = c.moved
	}
	return c
}
