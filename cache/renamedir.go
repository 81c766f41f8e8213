package cache

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"ncloudfs/remote"
)

// copiesInFlight is how many copies of a directory rename run together.
const copiesInFlight = 32

// RenameDir moves directory from to to, which may exist if it is empty: list
// pages, a Copy for each object, and batched deletes. When copying fails, what
// was copied is deleted again and nothing has changed. ErrCopyLimit when an
// object below is larger than the service copies. It returns what was moved by
// its former name.
func (c *Cache) RenameDir(ctx context.Context, from, to Name) (map[Name]Move, error) {
	if err := c.checkRename(from, to); err != nil {
		return nil, err
	}
	if err := c.CheckName(to); err != nil {
		return nil, err
	}
	if from.isPiece() || to.isPiece() {
		return nil, fmt.Errorf("rename %q to %q: %w", from, to, ErrPartOfNames)
	}
	still, err := c.claimMoving(ctx, []Name{from, to}, c.dirKeyOf(from), c.dirKeyOf(to))
	if err != nil {
		return nil, err
	}
	defer still()
	if err := errors.Join(c.settleBelow(ctx, from), c.settleBelow(ctx, to)); err != nil {
		return nil, fmt.Errorf("rename directory %q to %q: %w", from, to, err)
	}
	release, err := c.claimNames(ctx, from, to, c.dirKeyOf(from), c.dirKeyOf(to))
	if err != nil {
		return nil, err
	}
	defer release()
	hasMarker, err := c.checkEmpty(ctx, to)
	if err != nil {
		return nil, fmt.Errorf("rename %q to %q: %w", from, to, err)
	}
	staged := c.stage.takeUnder(from)
	defer func() {
		for _, s := range staged {
			s.Release()
		}
	}()
	for _, s := range staged {
		if name, _ := s.Name(); name.In(from) {
			s.noteMove(name.Rebase(from, to))
		}
	}
	moved, err := c.moveTree(ctx, from, to, hasMarker)
	if err != nil {
		for _, s := range staged {
			s.noteMove("")
		}
		c.dirs.ForgetTree(to)
		c.dirs.Forget(to) // perhaps there is something now
		return nil, fmt.Errorf("rename directory %q to %q: %w", from, to, err)
	}
	opened := c.stage.takeUnder(from) // perhaps more by now
	staged = append(staged, opened...)
	for _, s := range opened {
		name, _ := s.Name()
		if !name.In(from) {
			continue // renamed a moment ago
		}
		s.rename(name, name.Rebase(from, to), moved[name], remote.Object{})
		c.dirs.Unpin(name)
	}
	c.dirs.ForgetTree(from)
	c.dirs.ForgetTree(to)
	c.known.ForgetTree(c.dirKeyOf(from))
	c.removed(from)
	c.dirs.Changed(to, Entry{Kind: Dir})
	for _, s := range c.stage.Under(to) {
		if name, _ := s.Name(); s.Committed().Path.Key == "" && !isMarker(name) {
			c.dirs.Pin(name)
		}
	}
	return moved, nil
}

// settleBelow brings the bucket to where what is below n can be moved by it:
// what was removed is deleted, no older request can take effect, and in
// write-back mode what was closed is uploaded.
func (c *Cache) settleBelow(ctx context.Context, n Name) error {
	key := c.dirKeyOf(n)
	for _, s := range c.stage.Under(n) {
		if s.isMoved() || c.writeBack && s.owes() || s.isMarkerFile() {
			if err := s.Commit(ctx); err != nil {
				return err
			}
		}
	}
	if err := c.removeUnder(ctx, key); err != nil {
		return err
	}
	return c.sends.settled(ctx, key)
}

// isMoved reports whether the file is still to be made of an object of another
// name.
func (s *Staged) isMoved() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.base.Path.Key != "" && s.base.Path.Key != s.c.keyOf(s.name)
}

func (s *Staged) isMarkerFile() bool { return isMarker(s.nameNow()) }

// checkEmpty refuses a directory with anything in it but its marker, and tells
// whether it has one: one listing.
func (c *Cache) checkEmpty(ctx context.Context, n Name) (hasMarker bool, err error) {
	for _, s := range c.stage.Under(n) {
		if !s.isMarkerFile() || s.nameNow() != n.marker() {
			return false, ErrNotEmpty
		}
	}
	if n.isPiece() {
		if err := c.removeUnder(ctx, c.dirKeyOf(n)); err != nil {
			return false, err
		}
		l, err := c.list(ctx, n, 0)
		if err == nil && len(l.entries) > 0 {
			err = ErrNotEmpty
		}
		return false, err
	}
	key := c.dirKeyOf(n)
	list := remote.ListOptions{Bucket: c.bucket, Prefix: key, MaxKeys: 2}
	if len(c.removals.under(key)) > 0 {
		list.MaxKeys = 0 // it may have many keys that are on their way out
	}
	for page, err := range c.client.List(ctx, list) {
		if err != nil {
			return false, err
		}
		for _, o := range page.Objects {
			switch {
			case c.removals.hides(o.Path):
			case o.Path.Key != key || o.Size > 0:
				return false, ErrNotEmpty
			default:
				hasMarker = true
			}
		}
		if list.MaxKeys == 2 {
			break
		}
	}
	return hasMarker, nil
}

// moveTree copies every object below from, then deletes the originals. It
// returns the moves by the name of their original. keepMarker: to has a marker,
// which is there still if nothing can be moved.
func (c *Cache) moveTree(ctx context.Context, from, to Name, keepMarker bool) (map[Name]Move, error) {
	objects, err := c.allBelow(ctx, from)
	if err != nil {
		return nil, err
	}
	if len(objects) == 0 {
		return nil, c.putMarker(ctx, to, nil, c.acl) // only this mount knew the directory
	}
	copies, err := c.copyAll(ctx, objects, c.dirKeyOf(from), c.dirKeyOf(to))
	if err != nil {
		return nil, errors.Join(err, c.undoCopies(ctx, objects, c.dirKeyOf(from), c.dirKeyOf(to), keepMarker))
	}
	keys := make([]string, len(objects))
	moved := make(map[Name]Move, len(objects))
	for i, o := range objects {
		keys[i] = o.Path.Key
		moved[c.nameOf(o.Path.Key)] = Move{From: o, To: copies[i]}
	}
	if err := c.deleteAll(ctx, keys); err != nil {
		// Everything is at its new place, and that is where it is shown.
		c.log.Error("a renamed directory left objects behind under its old name; deleting them will be tried again", "directory", string(from), "err", err)
		c.removeLeft(from, objects)
	}
	return moved, nil
}

// copyAll copies objects from below one prefix to below another, side by side.
func (c *Cache) copyAll(ctx context.Context, objects []remote.Object, from, to string) ([]remote.Object, error) {
	copies := make([]remote.Object, len(objects))
	var failed atomic.Bool // those under way go on: one that is given up could still take effect
	var g errgroup.Group
	g.SetLimit(copiesInFlight)
	for i, o := range objects {
		if failed.Load() {
			break
		}
		g.Go(func() error {
			var err error
			if copies[i], err = c.copyObject(ctx, o, c.path(to+strings.TrimPrefix(o.Path.Key, from)), remote.Path{}); err != nil {
				failed.Store(true)
			}
			return err
		})
	}
	return copies, g.Wait()
}

// allBelow lists every object below directory n, its marker included.
func (c *Cache) allBelow(ctx context.Context, n Name) ([]remote.Object, error) {
	var all []remote.Object
	for page, err := range c.client.List(ctx, remote.ListOptions{Bucket: c.bucket, Prefix: c.dirKeyOf(n)}) {
		if err != nil {
			return nil, err
		}
		for _, o := range page.Objects {
			switch {
			case c.removals.hides(o.Path):
				continue // removed here a moment ago
			case o.Size > maxCopySize:
				return nil, ErrCopyLimit
			}
			all = append(all, o)
		}
	}
	return all, nil
}

// undoCopies deletes what a failed copyAll made, and what it may have made
// without an answer: nothing else was there, but perhaps the marker.
func (c *Cache) undoCopies(ctx context.Context, objects []remote.Object, from, to string, keepMarker bool) error {
	var keys []string
	for _, o := range objects {
		if o.Path.Key == from && keepMarker {
			continue
		}
		keys = append(keys, to+strings.TrimPrefix(o.Path.Key, from))
	}
	err := c.deleteAll(context.WithoutCancel(ctx), keys)
	for _, key := range keys {
		c.endGrants(key, err)
	}
	return err
}

// deleteAll deletes keys in batches.
func (c *Cache) deleteAll(ctx context.Context, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	failed, err := c.client.DeleteMany(ctx, c.bucket, keys)
	for key, keyErr := range failed {
		err = errors.Join(err, fmt.Errorf("delete %s: %w", c.path(key), keyErr))
	}
	return err
}
