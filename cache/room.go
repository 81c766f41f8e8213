package cache

// addLocked creates a block that is absent, filling, with one reference for
// whoever fills it. The caller has made sure that it fits beside what is
// pinned.
func (b *Blocks) addLocked(c *content, index int64) *block {
	k := &block{
		index:    index,
		charge:   c.cost(index),
		done:     make(chan struct{}),
		content:  c,
		unplaced: true,
	}
	b.evictLocked(k.charge)
	b.charged += k.charge
	b.admitted += k.charge
	if n := c.length(index); n == blockSize {
		k.data = b.arena.get()
	} else {
		k.data = make([]byte, n)
	}
	b.arena.trim(b.roomLocked() - b.charged)
	c.blocks[index] = k
	b.refLocked(k)
	return k
}

// roomLocked returns what blocks may take, in bytes.
func (b *Blocks) roomLocked() int64 { return b.limit - b.lent }

// evictLocked frees blocks without references until need bytes fit. Probation
// goes first; the protected segment hands over what exceeds its third.
func (b *Blocks) evictLocked(need int64) {
	for b.charged+need > b.roomLocked() {
		for b.protected.bytes > b.limit/3 {
			k, _, _ := b.protected.order.GetOldest()
			b.protected.remove(k)
			b.probation.add(k)
		}
		k := b.probation.oldest()
		if k == nil {
			k = b.protected.oldest()
		}
		if k == nil {
			return
		}
		b.detachLocked(k)
	}
}

// touchLocked notes that reader uses k.
func (b *Blocks) touchLocked(k *block, reader uint64) {
	again := k.reader != 0 && (k.reader != reader || b.admitted-k.touched > correlated)
	k.reader, k.touched = reader, b.admitted
	switch {
	case k.segment == b.protected:
		b.protected.renew(k)
	case again && k.segment == b.probation:
		b.probation.remove(k)
		b.protected.add(k)
	}
}

func (b *Blocks) refLocked(k *block) {
	if k.refs == 0 {
		b.pinned += k.charge
	}
	k.refs++
}

// unrefLocked takes back one reference. The caller lets the queue go on
// (grantLocked) when it is done.
func (b *Blocks) unrefLocked(k *block) {
	k.refs--
	if k.refs > 0 {
		return
	}
	b.pinned -= k.charge
	if k.detached {
		b.freeLocked(k)
	}
}

// detachLocked takes k out of its content: it is freed at once, or with its
// last reference.
func (b *Blocks) detachLocked(k *block) {
	if k.detached {
		return
	}
	k.detached = true
	delete(k.content.blocks, k.index)
	b.tidyLocked(k.content)
	if k.segment != nil {
		k.segment.remove(k)
	}
	if k.refs == 0 {
		b.freeLocked(k)
	}
}

func (b *Blocks) freeLocked(k *block) {
	b.charged -= k.charge
	if len(k.data) == blockSize {
		b.arena.put(k.data)
	}
	k.data = nil
}

// readyLocked ends the filling of k, unless it failed before.
func (b *Blocks) readyLocked(k *block) {
	if k.err != nil {
		return
	}
	k.ready, k.unplaced = true, false
	close(k.done)
	if !k.detached {
		b.probation.add(k)
	}
}

// failLocked ends the filling of k without data, unless it is ready.
func (b *Blocks) failLocked(k *block, err error) {
	if k.ready || k.err != nil {
		return
	}
	k.err = err
	close(k.done)
	b.detachLocked(k)
}

// retain takes one more reference, of whoever has one.
func (b *Blocks) retain(k *block) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refLocked(k)
}

// retainReady takes a reference on each block of v that is ready.
func (b *Blocks) retainReady(v Version) []*block {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.findLocked(v)
	if c == nil {
		return nil
	}
	var ready []*block
	for _, k := range c.blocks {
		if k.ready {
			b.refLocked(k)
			ready = append(ready, k)
		}
	}
	return ready
}

// release takes back one reference of each block.
func (b *Blocks) release(blocks []*block) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, k := range blocks {
		b.unrefLocked(k)
	}
	b.grantLocked()
}

// filled makes k ready and takes back its fetch's reference.
func (b *Blocks) filled(k *block) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.readyLocked(k)
	b.unrefLocked(k)
	b.grantLocked()
}

// failed gives up blocks that their fetch could not fill.
func (b *Blocks) failed(blocks []*block, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, k := range blocks {
		b.failLocked(k, err)
		b.unrefLocked(k)
	}
	b.grantLocked()
}

// began counts t with what is fetched for its content.
func (b *Blocks) began(t *fetch) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t.content.current().fetches[t] = struct{}{}
}

// ended is the counterpart of began and of the run in a demand.
func (b *Blocks) ended(t *fetch) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(t.content.current().fetches, t)
	b.fetching--
}
