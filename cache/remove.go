package cache

import (
	"context"
	"fmt"
	"io/fs"
	"time"

	"ncloudfs/remote"
)

// Remove removes file n: one DELETE, or none when it never reached the bucket.
// With isOpen, an object whose bytes handles still read is only hidden;
// RemoveOrphan deletes it after the last close.
func (c *Cache) Remove(ctx context.Context, n Name, isOpen bool) error {
	s := c.stage.take(n)
	defer func() { s.Release() }() // its local bytes stay at least until the bucket has answered
	resume := s.holdUploads()
	defer resume()
	release, err := c.claimName(ctx, n, c.keyOf(n))
	if err != nil {
		return err
	}
	defer release()
	if s == nil {
		s = c.stage.take(n) // staged meanwhile
	}
	if s == nil {
		return c.removeClean(ctx, n, isOpen)
	}
	if now, linked := s.Name(); now != n || !linked {
		return fmt.Errorf("remove %q: %w", n, ErrMoved)
	}
	s.hide()
	if err := c.removeStaged(ctx, n, s, isOpen); err != nil {
		s.show(n)
		return fmt.Errorf("remove %q: %w", n, err)
	}
	return nil
}

// removeStaged is for the holder of the key's claim.
func (c *Cache) removeStaged(ctx context.Context, n Name, s *Staged, isOpen bool) error {
	view := s.view()
	switch base := s.Committed(); {
	case isOpen && base.Path.Key != "" && view.usesBase():
		c.hideObject(n, base)
		return nil
	case s.mayExist():
		if err := c.client.Delete(ctx, c.path(c.keyOf(n))); err != nil {
			return err
		}
	}
	c.removed(n)
	return nil
}

// hideObject removes a name whose object open handles still read.
func (c *Cache) hideObject(n Name, o remote.Object) {
	r := Record{ID: orphanID(o.Path), State: StateOrphan, At: time.Now(), Key: []byte(o.Path.Key), Object: recordObject(o)}
	if _, err := c.stage.journal.Append(r); err != nil {
		c.log.Error("after a crash now a removed file would be back", "path", o.Path.String(), "err", err)
	}
	c.orphans.add(o)
	c.removed(n)
	c.dirs.PinAbsent(n) // the bucket will show it until its last close
}

// removeClean is for the holder of the key's claim.
func (c *Cache) removeClean(ctx context.Context, n Name, isOpen bool) error {
	e, err := c.Stat(ctx, n)
	switch {
	case err != nil:
		return err
	case e.Kind != File:
		return fmt.Errorf("remove %q: %w", n, fs.ErrNotExist)
	case isOpen:
		c.hideObject(n, e.Object)
		return nil
	}
	if err := c.client.Delete(ctx, e.Object.Path); err != nil {
		return fmt.Errorf("remove %q: %w", n, err)
	}
	c.removed(n)
	if s := c.stage.take(n); s != nil { // opened for writing meanwhile: it lost its name, too
		s.hide()
		s.Release()
	}
	return nil
}

// removed notes that n is gone, and that its directory is still there, whether
// or not another key shows it.
func (c *Cache) removed(n Name) {
	c.known.Forget(c.keyOf(n))
	c.dirs.Changed(n, Entry{Kind: Absent})
	if dir, _ := n.Split(); dir != "" {
		c.dirs.Changed(dir, Entry{Kind: Dir})
	}
}

// holdUploads gives up the upload in progress and lets none begin until resume
// is called: a close then waits for the removal, and succeeds with it. For nil
// it does nothing.
func (s *Staged) holdUploads() (resume func()) {
	if s == nil {
		return func() {}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		s.running.cancel()
	}
	if s.pause != nil {
		return func() {} // another removal does
	}
	s.pause = &commit{done: make(chan struct{})}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		close(s.pause.done)
		s.pause = nil
	}
}

// hide takes the name away: the upload in progress is given up, and no other
// begins. Open handles go on.
func (s *Staged) hide() {
	s.mu.Lock()
	s.unlinked = true
	if s.noted != "" && s.noted != StateDone {
		s.noteLocked(StateDone, nil) // before the object goes: a crash must not bring it back
	}
	name, running := s.name, s.running
	s.mu.Unlock()
	s.c.stage.drop(name, s)
	if running != nil {
		running.cancel()
		<-running.done
	}
}

// show gives the name back when the removal failed, unless another file has it
// by now.
func (s *Staged) show(n Name) {
	s.mu.Lock()
	s.unlinked = s.c.stage.putNew(n, s) != s
	if s.dirtyLocked() {
		s.noteLocked(StateFailed, nil)
	}
	s.mu.Unlock()
}

// mayExist reports whether the bucket may hold an object of this file: known
// from before, or from an upload that was given up after it was sent.
func (s *Staged) mayExist() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.object.Path.Key != "" || s.wasSent
}

// Rmdir removes an empty directory: one listing, and one DELETE if it has a
// marker. ErrNotEmpty when anything is in it, also what this mount cannot show.
func (c *Cache) Rmdir(ctx context.Context, n Name) error {
	key := c.dirKeyOf(n)
	if len(c.stage.Under(n)) > 0 {
		return fmt.Errorf("remove directory %q: %w", n, ErrNotEmpty)
	}
	release, err := c.claimName(ctx, n, key)
	if err != nil {
		return err
	}
	defer release()
	if err := c.removeOrphans(ctx, key); err != nil {
		return err
	}
	page, err := c.client.ListPage(ctx, remote.ListOptions{Bucket: c.bucket, Prefix: key, MaxKeys: 2})
	if err != nil {
		return fmt.Errorf("remove directory %q: %w", n, err)
	}
	for _, o := range page.Objects {
		if o.Path.Key != key {
			return fmt.Errorf("remove directory %q: %w", n, ErrNotEmpty)
		}
	}
	if len(page.Objects) > 0 {
		if err := c.client.Delete(ctx, c.path(key)); err != nil {
			return fmt.Errorf("remove directory %q: %w", n, err)
		}
	}
	c.known.Forget(key)
	c.dirs.ForgetTree(n)
	c.removed(n)
	return nil
}
