package cache

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"ncloudfs/remote"
)

// watchBehind looks at o, the object of s, again when no older request of ours
// can take effect any more, and has the file uploaded once more if one has.
// Until then its local bytes stay.
func (c *Cache) watchBehind(s *Staged, o remote.Object, d doubt) {
	if c.idle {
		return
	}
	c.watches.Go(func() {
		select {
		case <-time.After(time.Until(d.until)):
		case <-c.ctx.Done():
			return // the journal tells the next mount to look
		}
		c.again("a look at "+o.Path.String(), func(ctx context.Context) error { return c.lookAgain(ctx, s, o, d) }, func(err error, wait time.Duration) {
			c.log.Warn("cannot look whether an older upload has overwritten a newer one",
				"err", err, "again_in", wait.String())
		})
	})
}

// lookAgain ends the watch of o.
func (c *Cache) lookAgain(ctx context.Context, s *Staged, o remote.Object, d doubt) error {
	release, err := c.gates.claim(ctx, c.gateOf(s.nameNow()))
	if err != nil {
		return err
	}
	defer release()
	if !s.isWatching(o) {
		return nil // there is a newer version, or none is wanted
	}
	now, err := c.client.Head(ctx, o.Path)
	if errors.Is(err, fs.ErrNotExist) {
		now, err = remote.Object{}, nil
	}
	if err != nil {
		return err
	}
	if now.ETag == o.ETag || !d.brings(now.ETag) {
		s.endWatch()
		return nil
	}
	c.log.Warn("an older request has overwritten a newer one; it is uploaded again", "path", o.Path.String())
	s.redo(now)
	return nil
}

func (s *Staged) nameNow() Name {
	n, _ := s.Name()
	return n
}

func (s *Staged) isWatching(o remote.Object) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.watched && !s.unlinked && versionOf(s.object) == versionOf(o)
}

// endWatch lets go of the local bytes.
func (s *Staged) endWatch() {
	s.mu.Lock()
	s.watched = false
	if !s.dirtyLocked() {
		s.noteDoneLocked()
	}
	s.mu.Unlock()
	s.settle()
}

// redo has the file uploaded again in the place of now.
func (s *Staged) redo(now remote.Object) {
	s.mu.Lock()
	s.watched, s.object = false, now
	s.changes++
	s.dataChanges = s.changes
	s.noteLocked(StateReady, nil)
	s.mu.Unlock()
	s.settle()
}
