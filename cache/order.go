package cache

import (
	"slices"

	"ncloudfs/remote"
)

// The journal must not fall behind the bucket: else a loss of power brings back
// a file that was renamed, removed or replaced, beside what the bucket has by
// then, and the two are taken for a conflict. Records that say what has become
// of a promise are therefore made safe before the next request that changes
// something: keepOrder.

// appendOrdered is appendLogged for such records; others among them cost
// nothing.
func (c *Cache) appendOrdered(n Name, group ...Record) uint64 {
	isOrdered := slices.ContainsFunc(group, func(r Record) bool { return c.stage.journal.promises(r.ID) })
	seq := c.appendLogged(n, group...)
	if isOrdered {
		c.stage.journal.order(seq)
	}
	return seq
}

// keepOrder makes safe what has to be before a new object gets key. An error is
// logged: the change is no worse for it, but a loss of power would be.
func (c *Cache) keepOrder(key string) {
	if r := c.removals.get(c.path(key), ""); r != nil && r.object.ETag == "" {
		c.dropRecords(removalID(r.object.Path)) // of whatever is there: the new object is not meant
		c.stage.journal.order(c.stage.journal.last())
	}
	c.makeRecordSafe(key, c.stage.journal.ordered.Load())
}

// keepAllOrder is for deletions, after which nothing in the bucket tells that a
// promise was kept.
func (c *Cache) keepAllOrder(key string) {
	seq := c.stage.journal.ordered.Load()
	if c.writeBack {
		seq = c.stage.journal.last()
	}
	c.makeRecordSafe(key, seq)
}

func (c *Cache) makeRecordSafe(key string, seq uint64) {
	if seq <= c.stage.journal.safe() {
		return // without waiting for an fsync that others wait for
	}
	if err := c.stage.journal.Sync(seq); err != nil {
		c.log.Error("a loss of power now may leave two versions of a file, or an older one", "key", key, "err", err)
	}
}

// noteReplaced records, before a rename copies the version etag to the place of
// a file that is promised, that this is then no longer wanted.
func (s *Staged) noteReplaced(etag remote.ETag) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.promisedLocked() && !etag.Multipart() { // else the copy gets another one
		r := s.amendmentLocked()
		r.Sending = etag
		s.c.appendOrdered(s.name, r)
	}
}

// promises reports whether the journal holds the bytes of a file safe from a
// loss of power.
func (j *Journal) promises(id string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	r, ok := j.live[id]
	return ok && r.Boot == "" && r.State != StateOpen && r.State != StateRemoved
}

// order notes that records up to seq have to be safe before the bucket changes.
func (j *Journal) order(seq uint64) {
	for now := j.ordered.Load(); now < seq && !j.ordered.CompareAndSwap(now, seq); {
		now = j.ordered.Load()
	}
}
