package cache

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"
)

// Sync returns once everything that was closed before the call is in the
// bucket, and what was removed is not, or with what prevents it.
func (c *Cache) Sync(ctx context.Context) error {
	err := errors.Join(c.keepAllEmptied(ctx), c.commitAll(ctx, (*Staged).owes))
	if c.awaitWatches(ctx) {
		err = c.commitAll(ctx, (*Staged).owes) // what an older request had overwritten
	}
	return errors.Join(err, c.awaitMoves(ctx), c.grantAll(ctx), c.removeClosed(ctx))
}

// Drain brings everything into the bucket that is not there yet, and carries
// out the deletions that waited for a last close. Its error names what is left;
// the local copies of that stay.
func (c *Cache) Drain(ctx context.Context) error {
	c.drain.Do(func() { close(c.draining) })
	c.stage.markDraining()
	if c.idle {
		return nil
	}
	err := errors.Join(c.keepAllEmptied(ctx), c.commitAll(ctx, nil))
	if c.awaitWatches(ctx) {
		err = c.commitAll(ctx, nil) // what an older request had overwritten
	}
	return errors.Join(err, c.awaitMoves(ctx), c.grantAll(ctx), c.removeUnder(ctx, "")) // after what is made of them
}

// commitAll commits what is staged, as far as wanted says so.
func (c *Cache) commitAll(ctx context.Context, wanted func(*Staged) bool) error {
	staged := c.stage.Under("")
	errs := make([]error, len(staged))
	var g errgroup.Group
	g.SetLimit(uploadsBehind)
	for i, s := range staged {
		if wanted != nil && !wanted(s) {
			continue
		}
		g.Go(func() error {
			errs[i] = s.drain(ctx)
			return nil
		})
	}
	_ = g.Wait() // the errors are in errs
	return errors.Join(errs...)
}

// drain commits the file, or says what is left of it.
func (s *Staged) drain(ctx context.Context) error {
	s.mu.Lock()
	joins := s.running != nil
	s.mu.Unlock()
	err := s.Commit(ctx)
	if err != nil && joins {
		err = s.Commit(ctx) // what it joined may have begun in worse times
	}
	name, linked := s.Name()
	if err == nil || !linked || errors.Is(err, ErrConflict) || permanent(err) && s.c.setAside(s, err) {
		return nil
	}
	return fmt.Errorf("%q is not in the bucket, its local bytes are kept in %s: %w", name, s.fileName(), err)
}

// awaitWatches waits until no older request can overwrite what is in the
// bucket; false when there was none to wait for, or ctx ended.
func (c *Cache) awaitWatches(ctx context.Context) bool {
	none := true
	for _, s := range c.stage.Under("") {
		none = none && !s.isWatched()
	}
	if none {
		return false
	}
	select {
	case <-c.watches.ended():
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *Staged) isWatched() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.watched
}

// Close ends everything in progress and releases the stage directory. What
// Drain did not bring into the bucket stays in it.
func (c *Cache) Close() error {
	c.drain.Do(func() { close(c.draining) })
	c.cancel()
	c.emptied.take()
	c.retries.Wait()
	<-c.watches.ended()
	<-c.rolls.ended()
	c.commits.Wait()
	c.fetch.Close()
	c.known.disk.Close()
	c.stage.removeUnneeded()
	return c.stage.Close()
}
