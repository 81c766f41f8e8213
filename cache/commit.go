package cache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"ncloudfs/remote"
)

// commit is one run that brings a Staged into the bucket.
type commit struct {
	upTo   uint64 // the changes it holds; set before done is closed
	cancel context.CancelFunc
	done   chan struct{}
	err    error // valid after done
}

// Commit returns once the bucket holds every change made before the call, or
// the error that prevented it; what could not be uploaded stays staged. The
// work goes on when ctx ends, which only ends the wait. A file without a name
// needs no commit.
func (s *Staged) Commit(ctx context.Context) error {
	s.mu.Lock()
	want, aside := s.changes, s.aside
	s.mu.Unlock()
	if aside != nil {
		return aside
	}
	for {
		run, isNew := s.startCommit(want)
		if run == nil {
			return nil
		}
		select {
		case <-run.done:
			if run.upTo >= want || isNew && run.err != nil {
				return run.err
			} // else it did not hold all that it should: the next one will
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// startCommit returns the running commit, or a new one, or nil when nothing up
// to want is missing. While a removal waits, what it returns is the end of that.
func (s *Staged) startCommit(want uint64) (run *commit, isNew bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unlinked || s.committed >= want {
		return nil, false
	}
	if s.running != nil {
		return s.running, false
	}
	if s.pause != nil {
		return s.pause, false
	}
	ctx, cancel := context.WithCancel(s.c.ctx)
	run = &commit{cancel: cancel, done: make(chan struct{})}
	s.running = run
	s.c.commits.Go(func() {
		defer cancel()
		if run.err = s.c.uploadSafely(ctx, s, run); run.err != nil {
			s.noteFailure(run.err)
		}
		s.mu.Lock()
		s.running = nil
		s.mu.Unlock()
		close(run.done)
		s.discardIfIdle()
	})
	return run, true
}

// uploadSafely is upload, with a panic as an error: one file must not take the
// mount with it.
func (c *Cache) uploadSafely(ctx context.Context, s *Staged, run *commit) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			c.log.Error("internal error in an upload", "file", s.path, "panic", fmt.Sprint(reason), "stack", string(debug.Stack()))
			err = fmt.Errorf("internal error: %v", reason)
		}
	}()
	err = c.upload(ctx, s, run)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unlinked || s.pause != nil {
		return nil // removed while it was on its way
	}
	return err
}

// upload brings the present state of s into the bucket, in its turn among the
// mutations of its key.
func (c *Cache) upload(ctx context.Context, s *Staged, run *commit) error {
	name, release, err := c.claimStaged(ctx, s)
	if err != nil {
		return err
	}
	defer release()
	snap, ok := s.snapshot()
	if !ok {
		return nil
	}
	snap.ctx, snap.name = ctx, name
	snap.contentType = cmp.Or(snap.contentType, typeByName(c.keyOf(name)))
	run.upTo = snap.changes
	if moved, err := c.finishMove(ctx, snap); moved || err != nil {
		run.upTo = 0 // there is more to do, under the new name
		return err
	}
	o, err := c.send(ctx, snap)
	if remote.CodeOf(err) == remote.NoSuchKey {
		err = fmt.Errorf("removed elsewhere while it was edited: %w: %w", remote.ErrChanged, err)
	}
	if err != nil {
		return fmt.Errorf("upload %q: %w", name, err)
	}
	c.dropOrphan(o.Path)
	c.known.Learn(o, true)
	if s.committedTo(snap, o) {
		c.dirs.Changed(name, Entry{Kind: File, Object: o})
	}
	return nil
}

// claimStaged claims the key of s; the name may change while it waits.
func (c *Cache) claimStaged(ctx context.Context, s *Staged) (Name, func(), error) {
	for {
		name, _ := s.Name()
		release, err := c.gates.claim(ctx, c.keyOf(name))
		if err != nil {
			return "", nil, err
		}
		if now, _ := s.Name(); now == name {
			return name, release, nil
		}
		release()
	}
}

// snapshot is what one commit sends.
type snapshot struct {
	view
	ctx         context.Context // of the commit: io.ReaderAt has none
	name        Name
	changes     uint64
	dataChanged bool
	isLate      bool
	movingTo    Name
	sending     remote.ETag
	replacing   remote.Object
	object      remote.Object
	meta        remote.Meta
	contentType string
}

// ReadAt implements io.ReaderAt for the bodies of requests.
func (s *snapshot) ReadAt(p []byte, off int64) (int, error) { return s.readAt(s.ctx, p, off) }

// snapshot returns false when there is nothing to send.
func (s *Staged) snapshot() (*snapshot, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.dirtyLocked() {
		return nil, false
	}
	s.wasSent = true
	s.noteLocked(StateReady, nil)
	snap := &snapshot{view: s.viewLocked(), changes: s.changes, object: s.object, isLate: s.isLate, movingTo: s.movingTo, sending: s.sendingLocked(), replacing: s.replacing,
		dataChanged: s.dataChanges > s.committed || s.object.Path.Key == "",
		meta:        s.attr.Meta(s.meta), contentType: s.contentType}
	return snap, true
}

// committedTo makes o, which holds snap, the file's version in the bucket and
// the base of bytes that are not local. False: the file has no name any more.
func (s *Staged) committedTo(snap *snapshot, o remote.Object) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.object = o
	s.isOwed = false
	s.committed = max(s.committed, snap.changes)
	s.upload, s.isLate, s.sending, s.replacing = "", false, "", remote.Object{}
	s.c.rebaseLocked(s, o)
	switch {
	case s.unlinked:
	case s.dirtyLocked():
		s.noteLocked(StateOpen, nil)
	default:
		s.noteLocked(StateDone, nil)
	}
	return !s.unlinked
}

// rebaseLocked lets o show through where the old base did: both hold the same
// bytes there. baseEnd stays, since what lies behind it is zero in both.
func (c *Cache) rebaseLocked(s *Staged, o remote.Object) {
	if s.reader != nil {
		s.reader.Close()
		s.reader = nil
	}
	s.base = o
}

// Waits before what failed behind an operation is tried again, doubled from one
// to the other.
const (
	firstRetry = time.Second
	lastRetry  = time.Minute
)

// commitBehind uploads a file whose last handle is closed, again and again
// until it is in the bucket, the mount ends, or trying is of no use.
func (c *Cache) commitBehind(s *Staged) {
	defer s.endBehind()
	s.mu.Lock()
	s.isLate = true
	s.mu.Unlock()
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		err := s.Commit(c.ctx)
		switch {
		case err == nil && !s.Dirty():
			s.discardIfIdle()
			return
		case err == nil:
			continue // changed meanwhile
		case c.ctx.Err() != nil:
			return
		case permanent(err) && c.setAside(s, err):
			return
		}
		c.log.Error("upload failed; the local copy is kept and will be tried again",
			"err", err, "again_in", wait.String())
		select {
		case <-time.After(wait):
		case <-c.draining: // the last try is Drain's
			return
		}
		if s.inUse() {
			return // its new handle's close takes over
		}
	}
}

// endBehind lets the next close, or a failed removal, look after the file
// again; a change that came at the last moment is looked after now.
func (s *Staged) endBehind() {
	s.mu.Lock()
	s.isBehind = false
	s.mu.Unlock()
	select {
	case <-s.c.draining: // the last try is Drain's
	default:
		s.settle()
	}
}

// permanent reports an error that no later try can get over.
func permanent(err error) bool {
	return errors.Is(err, remote.ErrChanged) || errors.Is(err, remote.ErrTooLarge)
}

// setAside lets go of a file that cannot be uploaded: the mount shows what the
// bucket has, and the local copy stays on disk. False while handles are open:
// they have to be told first.
func (c *Cache) setAside(s *Staged, err error) bool {
	s.mu.Lock()
	name := s.name
	if s.users > 0 || s.running != nil || s.unlinked {
		s.mu.Unlock()
		return false
	}
	s.unlinked, s.aside = true, err
	s.noteLocked(StateConflict, err)
	s.file.Close()
	s.file = nil // the file on disk stays
	c.stage.keep(s.path)
	s.mu.Unlock()
	c.dirs.Unpin(name)
	c.Forget(name)
	c.stage.drop(name, s) // last: nobody must see neither
	c.log.Error("upload failed for good; the local copy is kept", "err", err, "kept", c.stage.root.Name()+"/"+s.path)
	return true
}

func (s *Staged) inUse() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.users > 0
}
