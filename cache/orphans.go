package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"

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

func (o *orphans) take(p remote.Path) (remote.Object, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	obj, ok := o.list[p]
	delete(o.list, p)
	return obj, ok
}

// drop forgets the orphan at p, where a new object has taken its place.
func (o *orphans) drop(p remote.Path) { o.take(p) }

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
// after its last close. Nothing happens when p is no orphan.
func (c *Cache) RemoveOrphan(ctx context.Context, p remote.Path) error {
	release, err := c.gates.claim(ctx, p.Key)
	if err != nil {
		return err
	}
	defer release()
	obj, ok := c.orphans.take(p)
	if !ok {
		return nil
	}
	defer c.dirs.UnpinAbsent(Name(strings.TrimPrefix(p.Key, c.prefix)))
	now, err := c.client.Head(ctx, p)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("delete %s after its last close: %w", p, err)
	case now.ETag != obj.ETag, now.ModTime.Sub(obj.ModTime).Abs() > dateSlack:
		return nil // the name has a new object
	}
	if err := c.client.Delete(ctx, p); err != nil {
		return fmt.Errorf("delete %s after its last close: %w", p, err)
	}
	return nil
}

func (o *orphans) removeAll(ctx context.Context, c *Cache) error {
	return o.removeUnder(ctx, c, "")
}

func (o *orphans) removeUnder(ctx context.Context, c *Cache, prefix string) error {
	var errs []error
	for _, p := range o.under(prefix) {
		errs = append(errs, c.RemoveOrphan(ctx, p))
	}
	return errors.Join(errs...)
}
