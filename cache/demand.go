package cache

import "context"

// demand is what one read wants of a content: blocks that it must have, and
// runs of blocks that should be fetched ahead while there is room.
type demand struct {
	content     *content
	reader      uint64 // identifies the Reader; not 0
	first, last int64  // the blocks it must have
	ahead       []span // ascending; each becomes one fetch, less what is there already
	parallel    int    // fetch ahead only while fewer fetches than this are under way

	// Results.
	held   []*block   // first to last, with a reference each
	runs   [][]*block // new blocks for the caller to fetch: adjacent ones, one fetch each
	until  int64      // what lies in ahead below this offset is present or in runs
	missed bool       // some of first to last was neither present nor in ahead
}

// acquire takes references on all the blocks that d must have, at once, and
// creates those that are absent. While they do not fit it waits, holding
// nothing, so that demands cannot block each other; the first to wait is the
// first served. It fails only when ctx ends.
func (b *Blocks) acquire(ctx context.Context, d *demand) error {
	return b.await(ctx, func(mayGrow bool) bool { return b.tryLocked(d, mayGrow) })
}

// tryLocked serves d if it fits. mayGrow is false while the room belongs to
// demands that wait longer.
func (b *Blocks) tryLocked(d *demand, mayGrow bool) bool {
	c := d.content.current()
	var absent, idle int64 // bytes to create, and bytes present without references
	for index := d.first; index <= d.last; index++ {
		switch k := c.blocks[index]; {
		case k == nil:
			absent += c.cost(index)
		case k.refs == 0:
			idle += k.charge
		}
	}
	if absent > 0 && (!mayGrow || b.pinned+idle+absent > b.roomLocked()) {
		return false
	}
	d.held = make([]*block, d.last-d.first+1)
	for i := range d.held { // what is there first, lest it be evicted for the rest
		if k := c.blocks[d.first+int64(i)]; k != nil {
			b.refLocked(k)
			b.touchLocked(k, d.reader)
			d.held[i] = k
		}
	}
	for i, k := range d.held {
		if k == nil {
			k = b.addLocked(c, d.first+int64(i))
			b.refLocked(k)
			b.touchLocked(k, d.reader)
			d.held[i] = k
		}
	}
	b.placeLocked(d, c)
	return true
}

// placeLocked makes fetches of the new blocks of d, and of blocks ahead.
func (b *Blocks) placeLocked(d *demand, c *content) {
	for _, s := range d.ahead {
		d.until = b.placeSpanLocked(d, c, s)
		if d.until < s.high {
			break
		}
	}
	for _, k := range d.held { // outside of every span, or behind the one that found no room
		if !k.unplaced {
			continue
		}
		d.missed = true
		if n := len(d.runs) - 1; n >= 0 && adjoins(d.runs[n], k) {
			k.unplaced = false
			d.runs[n] = append(d.runs[n], k)
			continue
		}
		b.fetchLocked(d, k)
	}
}

// placeSpanLocked returns how far it came: s.high unless room or fetches ran
// out.
func (b *Blocks) placeSpanLocked(d *demand, c *content, s span) int64 {
	low, high := s.low/blockSize, (s.high+blockSize-1)/blockSize
	wanted := low <= d.last && d.first < high
	open := false // the last run of d.runs ends just before index
	for index := low; index < high; index++ {
		k := c.blocks[index]
		if k != nil && !k.unplaced {
			open = false
			continue
		}
		if !open && !wanted && b.fetching >= d.parallel {
			return index * blockSize
		}
		if k == nil {
			if len(b.queue) > 0 || b.pinned+c.cost(index) > b.roomLocked()/2 {
				return index * blockSize
			}
			k = b.addLocked(c, index)
		}
		if !open {
			b.fetchLocked(d, k)
			open = true
			continue
		}
		k.unplaced = false
		n := len(d.runs) - 1
		d.runs[n] = append(d.runs[n], k)
	}
	return s.high
}

// fetchLocked opens a new run with k.
func (b *Blocks) fetchLocked(d *demand, k *block) {
	k.unplaced = false
	d.runs = append(d.runs, []*block{k})
	b.fetching++
}

func adjoins(run []*block, k *block) bool {
	return run[len(run)-1].index+1 == k.index
}
