package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"time"

	"ncloudfs/remote"
)

// orphans are objects whose name was removed while they were open for reading.
// Their deletion waits for the last close, so that the open files can still be
// read, and never meets a newer object.
type orphans struct {
	mu   sync.Mutex
	list map[remote.Path]remote.Object // guarded by mu
}

func (o *orphans) add(obj remote.Object) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.list == nil {
		o.list = map[remote.Path]remote.Object{}
	}
	o.list[obj.Path] = obj
}

// get returns the orphan that is the version obj; an empty ETag takes any.
func (o *orphans) get(p remote.Path, etag remote.ETag) (remote.Object, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	obj, ok := o.list[p]
	return obj, ok && (etag == "" || obj.ETag == etag)
}

// drop forgets the orphan at p, and reports whether there was one.
func (o *orphans) drop(p remote.Path) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, ok := o.list[p]
	delete(o.list, p)
	return ok
}

// dropOrphan forgets the orphan at p: it is deleted, or a new object has taken
// its place.
func (c *Cache) dropOrphan(p remote.Path) {
	if c.orphans.drop(p) {
		c.dropRecord(orphanID(p))
	}
}

// orphanID names an orphan in the journal; no data file is called so.
func orphanID(p remote.Path) string { return "orphan " + p.Key }

// under returns the orphans below a key prefix.
func (o *orphans) under(prefix string) []remote.Path {
	o.mu.Lock()
	defer o.mu.Unlock()
	var paths []remote.Path
	for p := range o.list {
		if len(p.Key) >= len(prefix) && p.Key[:len(prefix)] == prefix {
			paths = append(paths, p)
		}
	}
	return paths
}

// RemoveOrphan deletes the object of a name that was removed while it was open,
// after its last close. Nothing happens when that version of p is no orphan; an
// empty ETag stands for any. After an error it is an orphan still.
func (c *Cache) RemoveOrphan(ctx context.Context, p remote.Path, etag remote.ETag) error {
	release, err := c.gates.claim(ctx, p.Key)
	if err != nil {
		return err
	}
	defer release()
	return c.removeOrphan(ctx, p, etag)
}

// RemoveOrphanBehind is RemoveOrphan again and again, until it succeeds or the
// mount ends; the last try is Drain's.
func (c *Cache) RemoveOrphanBehind(p remote.Path, etag remote.ETag) {
	c.retries.Go(func() {
		for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
			err := c.RemoveOrphan(c.ctx, p, etag)
			if err == nil || c.ctx.Err() != nil {
				return
			}
			c.log.Error("a removed file is still in the bucket", "err", err, "again_in", wait.String())
			select {
			case <-time.After(wait):
			case <-c.draining:
				return
			}
		}
	})
}

// removeOrphan is for the holder of the key's claim.
func (c *Cache) removeOrphan(ctx context.Context, p remote.Path, etag remote.ETag) error {
	obj, ok := c.orphans.get(p, etag)
	if !ok {
		return nil
	}
	now, err := c.client.Head(ctx, p)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = nil
	case err == nil && now.ETag == obj.ETag && now.ModTime.Sub(obj.ModTime).Abs() <= dateSlack:
		err = c.client.Delete(ctx, p)
	} // else the name has a new object
	if err != nil {
		return fmt.Errorf("delete %s after its last close: %w", p, err)
	}
	c.dropOrphan(p)
	c.dirs.UnpinAbsent(Name(strings.TrimPrefix(p.Key, c.prefix)))
	return nil
}

// removeOrphans deletes all below a prefix, for the holder of its claim.
func (c *Cache) removeOrphans(ctx context.Context, prefix string) error {
	var errs []error
	for _, p := range c.orphans.under(prefix) {
		errs = append(errs, c.removeOrphan(ctx, p, ""))
	}
	return errors.Join(errs...)
}
