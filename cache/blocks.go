package cache

import (
	"slices"
	"sync"

	"ncloudfs/remote"
)

const (
	defaultLimit = 128 << 20
	minLimit     = 8 << 20

	// correlated is how many bytes may be admitted between two uses of a block
	// by one Reader that count as one: a sequential reader comes back to each
	// block several times, and the kernel asks for neighbours out of order.
	correlated = 16 << 20
)

// BlocksOptions configures Blocks.
type BlocksOptions struct {
	Limit int64 // bytes of memory in all; 0: 128 MiB; at least 8 MiB
}

// Blocks is the memory tier of the cache: blocks of versions, bounded in
// bytes.
//
// Ready blocks are in one of two segments. New ones enter probation, which is
// evicted first and in the order of arrival, so that what a scan fetched ahead
// outlives what it has read. A block that is used again, by another Reader or
// much later, moves to the protected segment, least recently used first, which
// keeps at most a third of the limit; so a scan never evicts it.
//
// Blocks with references (being filled, waited for, or in a View) are neither
// evicted nor reused. Readahead may have half of the limit in use, so that
// what a reader waits for always finds room once other readers are done.
//
// What is not needed for blocks is lent to bodies on their way to the bucket.
//
// Safe for concurrent use.
type Blocks struct {
	limit int64

	mu        sync.Mutex // leaf: no other lock is taken under it
	arena     *arena
	contents  map[remote.Path][]*content
	probation *segment
	protected *segment
	charged   int64 // bytes of all blocks
	lent      int64 // bytes that are used for something else
	pinned    int64 // bytes of the blocks with references
	admitted  int64 // bytes of all blocks ever added
	fetching  int   // fetches under way
	queue     []*waiting
}

// NewBlocks returns an empty cache. Its memory is reserved now and used as
// blocks arrive.
func NewBlocks(o BlocksOptions) *Blocks {
	if o.Limit == 0 {
		o.Limit = defaultLimit
	}
	b := &Blocks{
		limit:     max(o.Limit, minLimit),
		contents:  map[remote.Path][]*content{},
		probation: newSegment(),
		protected: newSegment(),
	}
	b.arena = newArena(b.limit/blockSize, blockSize, b)
	return b
}

// Bytes returns the memory in use by blocks, in bytes, never more than the limit.
func (b *Blocks) Bytes() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.charged
}

// Store keeps the whole content of v, which was just written or read, if
// there is room for it now and it takes at most an eighth of the limit. data
// is copied. Data of another length than v.Size is not kept.
func (b *Blocks) Store(v Version, data []byte) {
	if int64(len(data)) != v.Size || v.Size == 0 || v.Size > b.limit/8 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.contentLocked(v)
	c.readers++ // lest making room drops c itself
	defer func() {
		c.readers--
		b.tidyLocked(c)
	}()
	if len(b.queue) > 0 || b.pinned+v.Size+blockOverhead*(v.Size/blockSize+1) > b.roomLocked() {
		return
	}
	for index := range (v.Size + blockSize - 1) / blockSize {
		if c.blocks[index] != nil {
			continue
		}
		k := b.addLocked(c, index)
		copy(k.data, data[index*blockSize:])
		b.readyLocked(k)
		b.unrefLocked(k)
	}
}

// Move gives the blocks of old to now, another identity of the same content
// (our own copy of an unchanged object). Readers open on old go on, and fetch
// from now. Versions of different sizes are left alone.
func (b *Blocks) Move(old, now Version) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.findLocked(old)
	if c == nil || old == now || old.Size != now.Size {
		return
	}
	b.dropLocked(c)
	into := b.findLocked(now)
	if into == nil {
		c.version = now
		b.contents[now.Path] = append(b.contents[now.Path], c)
		return
	}
	for index, k := range c.blocks {
		if into.blocks[index] != nil {
			b.detachLocked(k)
			continue
		}
		k.content = into
		into.blocks[index] = k
	}
	for t := range c.fetches {
		into.fetches[t] = struct{}{}
	}
	into.readers += c.readers
	c.moved, c.blocks, c.fetches, c.readers = into, nil, nil, 0
	b.grantLocked()
}

// Forget drops every version of the object at p that no Reader has open.
// Blocks in a View stay until it is released.
func (b *Blocks) Forget(p remote.Path) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range slices.Clone(b.contents[p]) {
		if c.readers > 0 {
			continue
		}
		for _, k := range c.blocks {
			b.detachLocked(k)
		}
		b.tidyLocked(c)
	}
}

// open counts a Reader of v.
func (b *Blocks) open(v Version) *content {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.contentLocked(v)
	c.readers++
	return c
}

// close takes back one open. After the last one, when several fetches are
// under way, what they have not brought fails with why, and close returns them
// for the caller to cancel. A single one is left to end: it is at most a part,
// costs less than a new connection, and who opens the object next needs it.
func (b *Blocks) close(c *content, why error) []*fetch {
	b.mu.Lock()
	defer b.mu.Unlock()
	c = c.current()
	c.readers--
	defer b.tidyLocked(c)
	if c.readers > 0 || len(c.fetches) == 1 {
		return nil
	}
	var abandoned []*fetch
	for t := range c.fetches {
		abandoned = append(abandoned, t)
		for _, k := range t.blocks {
			b.failLocked(k, why)
		}
	}
	return abandoned
}

// version returns the identity under which c can be fetched now.
func (b *Blocks) version(c *content) Version {
	b.mu.Lock()
	defer b.mu.Unlock()
	return c.current().version
}

func (b *Blocks) findLocked(v Version) *content {
	for _, c := range b.contents[v.Path] {
		if c.version == v {
			return c
		}
	}
	return nil
}

func (b *Blocks) contentLocked(v Version) *content {
	if c := b.findLocked(v); c != nil {
		return c
	}
	c := &content{version: v, blocks: map[int64]*block{}, fetches: map[*fetch]struct{}{}}
	b.contents[v.Path] = append(b.contents[v.Path], c)
	return c
}

// tidyLocked removes a content that holds nothing for anybody.
func (b *Blocks) tidyLocked(c *content) {
	if c.readers == 0 && len(c.blocks) == 0 {
		b.dropLocked(c)
	}
}

func (b *Blocks) dropLocked(c *content) {
	p := c.version.Path
	rest := slices.DeleteFunc(b.contents[p], func(o *content) bool { return o == c })
	if len(rest) == 0 {
		delete(b.contents, p)
	} else {
		b.contents[p] = rest
	}
}
