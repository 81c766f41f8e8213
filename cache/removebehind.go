package cache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"ncloudfs/remote"
)

// maxBatch is how many objects one request deletes (Delete Multiple).
const maxBatch = 1000

// removeBehind carries out removals until the mount ends; the last try is
// Drain's.
func (c *Cache) removeBehind() {
	var timer <-chan time.Time
	for {
		select {
		case <-c.removals.wake:
			if !c.untilDrain(restTime / 10) { // one look at all of them serves many
				return
			}
		case <-timer:
		case <-c.draining:
			return
		}
		batch, next := c.removals.due(time.Now())
		if len(batch) > 0 {
			err := c.safely("removals", func() error { return c.removeBatch(c.ctx, batch, false) })
			if err != nil && c.ctx.Err() == nil {
				for _, r := range batch {
					c.removals.postpone(r, err)
				}
				c.log.Error("removed files are still in the bucket; it will be tried again", "err", err)
			}
			if batch, next = c.removals.due(time.Now()); len(batch) > 0 {
				next = time.Now() // those that have become due meanwhile
			}
		}
		timer = nil
		if !next.IsZero() {
			timer = time.After(max(time.Until(next), restTime/10))
		}
	}
}

// untilDrain waits; false when Drain takes over.
func (c *Cache) untilDrain(wait time.Duration) bool {
	select {
	case <-time.After(wait):
		return true
	case <-c.draining:
		return false
	}
}

// due returns what is to be deleted now, the oldest first, and when the next is
// due; zero: when something changes.
func (x *removals) due(now time.Time) (batch []*removal, next time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, r := range x.list {
		switch at := r.dueAt(); {
		case r.isOpen:
		case !now.Before(at):
			batch = append(batch, r)
		case next.IsZero() || at.Before(next):
			next = at
		}
	}
	slices.SortFunc(batch, func(a, b *removal) int { return a.since.Compare(b.since) })
	return batch[:min(len(batch), maxBatch)], next
}

func (r *removal) dueAt() time.Time {
	if r.again.exists() {
		return r.again.until
	}
	if r.due.IsZero() {
		return r.since.Add(restTime)
	}
	return r.due
}

// removeBatch deletes objects, in their turn among the mutations of their keys.
// What something that was renamed still reads waits for that, and is not an
// error; with await, that is committed first, and open files are no reason to
// wait.
func (c *Cache) removeBatch(ctx context.Context, batch []*removal, await bool) error {
	if await {
		for _, r := range batch {
			if err := c.commitDependents(ctx, r.object.Path.Key); err != nil {
				return err
			}
		}
	}
	keys := make([]string, len(batch))
	for i, r := range batch {
		keys[i] = gateOfKey(r.object.Path.Key)
	}
	release, err := c.gates.claim(ctx, keys...)
	if err != nil {
		return err
	}
	defer release()
	batch = slices.DeleteFunc(slices.Clone(batch), func(r *removal) bool {
		return c.removals.get(r.object.Path, "") != r || // a new object has its place, or it is open again
			len(c.stage.basedOn(r.object.Path.Key)) > 0 && !c.isWaiting(r, await)
	})
	batch, err = c.checkRemovals(ctx, batch)
	return errors.Join(err, c.deleteBatch(ctx, batch))
}

// isWaiting puts off a removal whose object something that was renamed reads;
// it reports true where nothing waits for that.
func (c *Cache) isWaiting(r *removal, await bool) bool {
	if await {
		return true
	}
	c.removals.postpone(r, nil)
	return false
}

func gateOfKey(key string) string {
	if strings.HasSuffix(key, "/") {
		return key + "\x00marker"
	}
	return key
}

// checkRemovals looks at the objects whose removal is late, and returns those
// that are to be deleted still.
func (c *Cache) checkRemovals(ctx context.Context, batch []*removal) ([]*removal, error) {
	results := make([]error, len(batch))
	var g errgroup.Group
	g.SetLimit(headsInFlight)
	for i, r := range batch {
		if !r.isLate && !r.again.exists() && time.Since(r.since) <= c.ttl {
			continue
		}
		g.Go(func() error {
			results[i] = c.checkRemoval(ctx, r)
			return nil
		})
	}
	_ = g.Wait() // the errors are in results
	var wanted []*removal
	var errs []error
	for i, r := range batch {
		switch err := results[i]; {
		case err == nil:
			wanted = append(wanted, r)
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, remote.ErrChanged):
			c.endRemoval(r)
		default:
			c.removals.postpone(r, err)
			errs = append(errs, err)
		}
	}
	return wanted, errors.Join(errs...)
}

// checkRemoval returns nil if the object is there and still the version that was
// removed; remote.ErrChanged if the name has a new object.
func (c *Cache) checkRemoval(ctx context.Context, r *removal) error {
	now, err := c.client.Head(ctx, r.object.Path)
	switch {
	case err != nil:
		return err
	case r.again.exists() && r.again.brings(now.ETag):
		return nil
	case r.again.exists():
		return remote.ErrChanged
	case r.object.ETag == "" || slices.Contains(c.sends.late(r.object.Path.Key), now.ETag) || slices.Contains(r.late, now.ETag):
		return nil
	case now.ETag == r.object.ETag && now.ModTime.Sub(r.object.ModTime).Abs() <= dateSlack:
		return nil
	}
	return remote.ErrChanged
}

// deleteBatch deletes, for the holder of the claims.
func (c *Cache) deleteBatch(ctx context.Context, batch []*removal) error {
	if len(batch) == 0 {
		return nil
	}
	keys := make([]string, len(batch))
	for i, r := range batch {
		keys[i] = r.object.Path.Key
		defer c.sends.beginDelete(keys[i])()
	}
	c.keepAllOrder(keys[0])
	step("delete")
	failed, err := c.deleteKeys(ctx, keys)
	step("delete-done")
	var errs []error
	for i, r := range batch {
		if failure := cmp.Or(failed[keys[i]], err); failure != nil {
			c.removals.postpone(r, failure)
			errs = append(errs, fmt.Errorf("delete %s: %w", r.object.Path, failure))
			continue
		}
		if d := c.sends.doubtOf(keys[i], ""); d.exists() && !r.again.exists() {
			now := *r
			now.again = d // the journal's record stays until then
			c.removals.put(now)
			continue
		}
		c.endRemoval(r)
	}
	if len(errs) > 3 {
		errs = append(errs[:3], fmt.Errorf("and %d more", len(errs)-3))
	}
	return errors.Join(errs...)
}

// deleteKeys is one request for any number of keys up to maxBatch.
func (c *Cache) deleteKeys(ctx context.Context, keys []string) (map[string]error, error) {
	if len(keys) == 1 {
		return nil, c.client.Delete(ctx, c.path(keys[0]))
	}
	return c.client.DeleteMany(ctx, c.bucket, keys)
}

// endRemoval ends a removal that is carried out or needless.
func (c *Cache) endRemoval(r *removal) {
	if c.removals.get(r.object.Path, "") != r {
		return
	}
	c.dirs.UnpinAbsent(shownName(c.nameOf(r.object.Path.Key))) // first: what comes next may forget the name
	c.dropRemoval(r.object.Path)
}

// postpone puts off the next try of r: after a failure longer each time, else
// until something changes or a while has passed.
func (x *removals) postpone(r *removal, failure error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.list[r.object.Path] != r {
		return
	}
	now := *r
	now.failure = failure
	now.wait = firstRetry
	if failure != nil {
		now.isLate = true
		now.wait = min(max(2*r.wait, firstRetry), lastRetry)
	}
	now.due = time.Now().Add(now.wait)
	x.list[r.object.Path] = &now
}
