package cache

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"ncloudfs/remote"
)

// emptiedTime is how long a directory that has lost its last name waits for its
// rmdir, before it gets a marker.
const emptiedTime = time.Second

// emptied are directories without a marker in which nothing is left: the bucket
// shows them no more, but no program has removed them. Safe for concurrent use; its
// map must be made.
type emptied struct {
	mu  sync.Mutex // leaf
	due map[Name]*time.Timer
}

// start has do called for dir in a while, unless it is to be already.
func (x *emptied) start(dir Name, do func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.due[dir] != nil {
		return
	}
	x.due[dir] = time.AfterFunc(emptiedTime, func() {
		x.mu.Lock()
		_, isDue := x.due[dir]
		delete(x.due, dir)
		x.mu.Unlock()
		if isDue {
			do()
		}
	})
}

// take returns the directories that wait, and forgets them.
func (x *emptied) take() []Name {
	x.mu.Lock()
	defer x.mu.Unlock()
	dirs := slices.Sorted(maps.Keys(x.due))
	for _, t := range x.due {
		t.Stop()
	}
	clear(x.due)
	return dirs
}

// noteEmptied is called when a name in directory dir is gone.
func (c *Cache) noteEmptied(dir Name) {
	if c.isEmptied(dir) && !c.isDraining() {
		c.emptied.start(dir, func() {
			c.retries.Go(func() {
				if err := c.keepEmptied(c.ctx, dir); err != nil {
					c.log.Warn("a directory will vanish: it has lost its last file, and cannot be kept by a marker", "directory", string(dir), "err", err)
				}
			})
		})
	}
}

// isEmptied reports whether dir is a directory without a marker that has become
// empty, as far as is known here.
func (c *Cache) isEmptied(dir Name) bool {
	if c.stage == nil || c.idle || dir == "" || c.hasNoMarker(dir) || !c.dirs.isEmptied(dir) { // which is memory only
		return false
	}
	if e, known := c.Peek(dir); known && e.Kind != Dir {
		return false // removed
	}
	marker, _ := c.known.Marker(c.path(c.dirKeyOf(dir)))
	return marker.ETag == "" && len(c.stage.Under(dir)) == 0
}

// keepEmptied gives dir a marker if it is still there, and still empty: a listing,
// and a PUT.
func (c *Cache) keepEmptied(ctx context.Context, dir Name) error {
	if !c.isEmptied(dir) {
		return nil
	}
	key := c.dirKeyOf(dir)
	isLeaving, leaving := c.removals.leaving(key)
	most := min(1+leaving, maxBatch)
	page, err := c.client.ListPage(ctx, remote.ListOptions{Bucket: c.bucket, Prefix: key, MaxKeys: most})
	switch {
	case err != nil:
		return fmt.Errorf("look whether %q is empty: %w", dir, err)
	case slices.ContainsFunc(page.Objects, func(o remote.Object) bool { return !isLeaving(o) }):
		return nil
	case c.writeBack:
		return c.storeBehind(ctx, dir, dir.marker(), nil, Attr{})
	}
	release, err := c.claimName(ctx, dir, key)
	if err != nil {
		return nil // its own parent is gone
	}
	defer release()
	if !c.isEmptied(dir) {
		return nil // removed, or filled, meanwhile
	}
	if err := c.putMarker(ctx, dir, nil); err != nil {
		return fmt.Errorf("keep directory %q: %w", dir, err)
	}
	return nil
}

// keepAllEmptied is keepEmptied for all directories that wait for it.
func (c *Cache) keepAllEmptied(ctx context.Context) error {
	for _, dir := range c.emptied.take() {
		if err := c.keepEmptied(ctx, dir); err != nil {
			return err
		}
	}
	return nil
}

// isEmptied reports whether all names that were listed in n are gone, and no other
// has come.
func (d *directories) isEmptied(n Name) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	dir, found := d.known.Peek(n)
	if !found || dir.listing == nil || dir.listing.marker != nil || len(dir.records) < len(dir.listing.entries) {
		return false
	}
	for _, r := range dir.records {
		if r.Kind != Absent {
			return false
		}
	}
	for _, e := range dir.listing.entries {
		if _, found := dir.records[e.base]; !found {
			return false
		}
	}
	return true
}
