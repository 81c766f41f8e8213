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
// RemoveClosed deletes it after the last close. In write-back mode every object
// is only hidden, and deleted behind.
func (c *Cache) Remove(ctx context.Context, n Name, isOpen bool) error {
	c.created.Remove(c.keyOf(n))
	if isTrailing(n) {
		isOpen = false // what hides its object would hide the directory
	} else if c.writeBack {
		return c.hideFile(ctx, n, isOpen)
	}
	if err := c.commitDependents(ctx, c.keyOf(n)); err != nil {
		return fmt.Errorf("remove %q: %w", n, err)
	}
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
	giveBack, err := c.stage.reserveRecords()
	if err != nil {
		return fmt.Errorf("remove %q: %w", n, err)
	}
	defer giveBack()
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
		c.hideObject(n, base, true)
		return nil
	case s.mayExist():
		if err := c.delete(ctx, c.path(c.keyOf(n))); err != nil {
			return err
		}
	}
	c.removed(n)
	return nil
}

// hideFile is Remove in write-back mode.
func (c *Cache) hideFile(ctx context.Context, n Name, isOpen bool) error {
	release, err := c.claimMoving(ctx, []Name{n}, c.keyOf(n))
	if err != nil {
		return err
	}
	defer release()
	giveBack, err := c.stage.reserveRecords()
	if err != nil {
		return fmt.Errorf("remove %q: %w", n, err)
	}
	defer giveBack()
	s := c.stage.take(n)
	if s == nil {
		e, err := c.Stat(ctx, n)
		switch {
		case err != nil:
			return err
		case e.Kind != File:
			return fmt.Errorf("remove %q: %w", n, fs.ErrNotExist)
		}
		c.hideObject(n, e.Object, isOpen)
		return nil
	}
	defer s.Release()
	c.hideStaged(n, s, isOpen)
	return nil
}

// hideStaged takes the name n of s away, and leaves what the bucket may have
// under it to the removals.
func (c *Cache) hideStaged(n Name, s *Staged, isOpen bool) {
	view := s.view()
	c.dirs.PinAbsent(shownName(n)) // before it leaves the stage: it is not to be seen in between
	group := s.detach()
	c.dirs.PinAbsent(shownName(n)) // again: a commit may just have shown it
	c.stage.drop(s.nameNow(), s)
	o, late := s.removable(), s.late()
	hasObject := o.Path.Key != ""
	if hasObject {
		o.Path = c.path(c.keyOf(n))
		group = append(group, c.removalRecord(o, late...)) // in one with what ends the file: else a crash shows an older version
	}
	if len(group) > 0 {
		c.appendOrdered(n, group...)
	}
	if !hasObject {
		c.dropPin(n)
		return
	}
	c.hideNoted(n, o, late, isOpen && view.usesBase() && view.base.Path == o.Path)
}

// dropPin ends PinAbsent of a name that the bucket has no object of, unless an
// earlier one is still on its way out.
func (c *Cache) dropPin(n Name) {
	if !c.removals.hides(c.path(c.keyOf(n))) {
		c.removed(shownName(n))
	}
}

// shownName returns under which name n is seen: a marker is its directory.
func shownName(n Name) Name {
	if isMarker(n) {
		return n.dir()
	}
	return n
}

// noteExists: the bucket has an object under the file's name, of whatever
// version.
func (s *Staged) noteExists() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wasSent = true
}

// removable returns what the bucket may have under the file's name: without an
// ETag where that is not known.
func (s *Staged) removable() remote.Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.removableLocked()
}

func (s *Staged) removableLocked() remote.Object {
	switch {
	case s.object.Path.Key != "":
		return s.object
	case s.wasSent:
		return remote.Object{Path: s.c.path(s.c.keyOf(s.name))}
	}
	return s.replacing
}

// delete deletes an object at once. Where an older request of ours may bring it
// back, it is looked at again behind.
func (c *Cache) delete(ctx context.Context, p remote.Path) error {
	defer c.sends.beginDelete(p.Key)()
	c.keepAllOrder(p.Key)
	step("delete")
	if err := c.client.Delete(ctx, p); err != nil {
		return err
	}
	step("delete-done")
	if d := c.sends.doubtOf(p.Key, ""); d.exists() {
		o := remote.Object{Path: p}
		c.appendLogged(c.nameOf(p.Key), c.removalRecord(o))
		c.removals.put(removal{object: o, since: time.Now(), again: d})
		c.wakeRemovals()
	}
	return nil
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
		c.hideObject(n, e.Object, true)
		return nil
	}
	if err := c.delete(ctx, e.Object.Path); err != nil {
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
		c.noteEmptied(dir)
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

// hide takes the name away, before the object goes: a crash must not bring it
// back.
func (s *Staged) hide() {
	if ended := s.detach(); len(ended) > 0 {
		s.c.appendOrdered(s.nameNow(), ended...)
	}
	s.c.stage.drop(s.nameNow(), s)
}

// detach is hide without the journal and the index: the upload in progress is
// given up, and no other begins. Open handles go on. It returns the records that
// end what the journal says of the file.
func (s *Staged) detach() (ended []Record) {
	s.mu.Lock()
	s.unlinked = true
	running := s.running
	s.mu.Unlock()
	if running != nil {
		running.cancel()
		<-running.done
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.endRecordsLocked()
}

// show gives the name back when the removal failed, unless another file has it
// by now.
func (s *Staged) show(n Name) {
	s.mu.Lock()
	s.unlinked = s.c.stage.putNew(n, s) != s
	wasPromised, failure, upTo := s.promisedLocked(), s.failure, s.changes
	s.saved = min(s.saved, s.committed) // hide has ended what the journal promised
	if s.dirtyLocked() {
		s.noteLocked(StateFailed, failure)
	}
	s.mu.Unlock()
	if wasPromised {
		s.noteFailure(failure, upTo)
	}
}

// mayExist reports whether the bucket may hold an object of this file: known
// from before, or from an upload that was given up after it was sent.
func (s *Staged) mayExist() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.object.Path.Key != "" || s.wasSent
}

// Rmdir removes an empty directory: one listing, and one DELETE if it has a
// marker, which in write-back mode is deleted behind. ErrNotEmpty when anything
// is in it.
func (c *Cache) Rmdir(ctx context.Context, n Name) error {
	if err := c.rmdir(ctx, n); err != nil {
		return fmt.Errorf("remove directory %q: %w", n, err)
	}
	c.created.Remove(c.dirKeyOf(n))
	c.known.Forget(c.dirKeyOf(n))
	c.dirs.ForgetTree(n)
	c.dropPin(n.marker())
	return nil
}

func (c *Cache) rmdir(ctx context.Context, n Name) error {
	if c.isBucket(n) {
		return c.removeBucket(ctx, n)
	}
	if c.writeBack {
		release, err := c.claimMoving(ctx, []Name{n}, c.dirKeyOf(n))
		if err != nil {
			return err
		}
		defer release()
	} else {
		release, err := c.claimCleared(ctx, n)
		if err != nil {
			return err
		}
		defer release()
	}
	hasMarker, err := c.checkEmpty(ctx, n)
	if err != nil {
		return err
	}
	marker := c.stage.take(n.marker())
	defer func() { marker.Release() }()
	if marker != nil || c.writeBack {
		giveBack, err := c.stage.reserveRecords()
		if err != nil {
			return err
		}
		defer giveBack()
	}
	if marker != nil && hasMarker {
		marker.noteExists()
	}
	switch p := c.path(c.dirKeyOf(n)); {
	case marker != nil && c.writeBack:
		c.hideStaged(n.marker(), marker, false)
	case marker != nil:
		marker.hide()
		if !marker.mayExist() {
			return nil
		}
		err := c.delete(ctx, p)
		if err != nil {
			marker.show(n.marker())
		}
		return err
	case c.writeBack && hasMarker:
		c.hideObject(n.marker(), remote.Object{}, false)
	case hasMarker:
		return c.delete(ctx, p)
	}
	return nil
}

// claimCleared carries out the deletions that wait below directory n, and is
// claimName for it.
func (c *Cache) claimCleared(ctx context.Context, n Name) (release func(), err error) {
	if err := c.removeUnder(ctx, c.dirKeyOf(n)); err != nil {
		return nil, err
	}
	return c.claimName(ctx, n, c.dirKeyOf(n))
}
