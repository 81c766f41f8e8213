package cache

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"ncloudfs/remote"
)

const (
	// firstRetry and lastRetry are the waits before what failed behind an
	// operation is tried again, doubled from one to the other.
	firstRetry = time.Second
	lastRetry  = time.Minute

	// restTime is how long a file stays unchanged before it is uploaded behind:
	// a save by a temporary file and a rename, with mode and times, is then one
	// request.
	restTime = 300 * time.Millisecond

	// openRestTime is the same for a file that is still open, and the longest
	// that a file which changes all the time waits.
	openRestTime = 5 * time.Second

	// uploadsBehind is how many files are uploaded behind at once.
	uploadsBehind = 16

	// maxQueue is how many files may wait for their upload: each takes a
	// descriptor.
	maxQueue = 8192

	// queueTime is how long a close waits for its place among them.
	queueTime = 5 * time.Minute
)

var errQueueFull = errors.New("too many files wait for their upload; ncloudfs pending says why")

// owesLocked reports whether the file is to be uploaded by itself: nobody has
// it open any more, or a close was answered before the upload, with success or,
// where another try may help and nothing was written since, without.
func (s *Staged) owesLocked() bool {
	if s.users > 0 && s.saved < s.emptied {
		return false // what is written now is not whole yet, and would take the promise's place
	}
	again := s.c.writeBack || s.saved == s.changes && !permanent(s.failure)
	return s.dirtyLocked() && s.aside == nil && (s.users == 0 || s.promisedLocked() && again)
}

// startBehindLocked has the file uploaded behind if it is owed.
func (s *Staged) startBehindLocked() {
	if s.mayStartBehindLocked() {
		s.isBehind = true
		s.c.retries.Go(func() { s.c.commitBehind(s) })
	}
}

// tryAgainLocked is startBehindLocked for what has just failed.
func (s *Staged) tryAgainLocked() {
	if s.mayStartBehindLocked() {
		s.isBehind = true
		s.c.retries.Go(func() {
			if s.c.pauseBehind(s, firstRetry) {
				s.c.commitBehind(s)
			} else {
				s.endBehind()
			}
		})
	}
}

// mayStartBehindLocked: while the mount ends, the last try is Drain's.
func (s *Staged) mayStartBehindLocked() bool {
	return !s.isBehind && s.owesLocked() && !s.c.idle && !s.c.isDraining()
}

// commitBehind uploads a file again and again until it is in the bucket, the
// mount ends, or trying is of no use.
func (c *Cache) commitBehind(s *Staged) {
	defer s.endBehind()
	for wait := firstRetry; ; {
		if !c.awaitRest(s) {
			return
		}
		err := c.commitInTurn(s)
		switch {
		case c.ctx.Err() != nil || !s.owes():
			return
		case err == nil || errors.Is(err, ErrConflict):
			continue // changed meanwhile
		case permanent(err) && c.setAside(s, err):
			return
		}
		c.log.Error("upload failed; the local copy is kept and will be tried again",
			"err", err, "again_in", wait.String())
		if !c.pauseBehind(s, wait) {
			return
		}
		wait = min(2*wait, lastRetry)
	}
}

// again does what runs behind until it succeeds, or the mount ends: what is left is
// then in the journal. failed is told of each failure, and when the next try is.
func (c *Cache) again(what string, do func(context.Context) error, failed func(err error, wait time.Duration)) {
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		err := c.safely(what, func() error { return do(c.ctx) })
		if err == nil || c.ctx.Err() != nil {
			return
		}
		failed(err, wait)
		select {
		case <-time.After(wait):
		case <-c.ctx.Done():
			return
		}
	}
}

func (s *Staged) owes() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.owesLocked()
}

// owesBytes is owes where more than attributes is to be uploaded.
func (s *Staged) owesBytes() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.owesLocked() && s.lacksBytesLocked()
}

// commitInTurn commits as one of uploadsBehind.
func (c *Cache) commitInTurn(s *Staged) error {
	if err := c.turns.Acquire(c.ctx, 1); err != nil {
		return err
	}
	defer c.turns.Release(1)
	if !c.writeBack && s.owesBytes() {
		s.becomeLate()
	}
	err := s.commitOwed(c.ctx)
	if err != nil {
		s.becomeLate()
	}
	return err
}

// becomeLate: from now on others may have come first.
func (s *Staged) becomeLate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.isLate = true
}

// awaitRest waits until the file's changes are due; false when Drain takes over.
func (c *Cache) awaitRest(s *Staged) bool {
	for {
		wait := s.rest()
		if wait <= 0 {
			return !c.isDraining()
		}
		if !c.untilDrain(wait) {
			return false
		}
	}
}

// rest returns how long the file should still be left alone: attributes for
// attrsTime, in write-back mode all until they have not changed for a while.
func (s *Staged) rest() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.c.writeBack {
		if s.lacksBytesLocked() {
			return 0
		}
		return time.Until(s.waitsFrom.Add(attrsTime))
	}
	rest := restTime
	if s.users > 0 {
		rest = openRestTime
	}
	due := s.changedAt.Add(rest)
	if latest := s.savedAt.Add(openRestTime); s.promisedLocked() && due.After(latest) {
		due = latest
	}
	return time.Until(due)
}

// pauseBehind waits before the next try; false when Drain takes over.
func (c *Cache) pauseBehind(s *Staged, wait time.Duration) bool {
	s.mu.Lock()
	s.nextTry = time.Now().Add(wait)
	s.mu.Unlock()
	return c.untilDrain(wait)
}

// endBehind lets the next close, or a failed removal, look after the file
// again; a change that came at the last moment is looked after now.
func (s *Staged) endBehind() {
	s.mu.Lock()
	s.isBehind = false
	s.mu.Unlock()
	s.c.queue.leave(s)
	if !s.c.isDraining() {
		s.settle()
	}
}

func (c *Cache) isDraining() bool {
	select {
	case <-c.draining:
		return true
	default:
		return false
	}
}

// permanent reports an error that no later try can get over.
func permanent(err error) bool {
	return errors.Is(err, remote.ErrChanged) || errors.Is(err, remote.ErrTooLarge)
}

// setAside lets go of a file that cannot be uploaded: the mount shows what the
// bucket has, and the local copy, if there are bytes in it, stays on disk. False
// while handles are open: they have to be told first.
func (c *Cache) setAside(s *Staged, err error) bool {
	s.mu.Lock()
	name := s.name
	if s.users > 0 || s.running != nil || s.unlinked {
		s.mu.Unlock()
		return false
	}
	kept, attrsOnly := "nothing: no bytes were written", !s.lacksBytesLocked()
	s.aside = err
	if s.dataChanges > s.committed && (len(s.local.list) > 0 || s.base.Path.Key == "") {
		kept = s.c.stage.root.Name() + "/" + s.path
		s.keepLocked(err)
	} else {
		s.leaveLocked()
	}
	s.mu.Unlock()
	c.dirs.Unpin(name)
	c.Forget(name)
	c.stage.drop(name, s) // last: nobody must see neither
	c.wakeRemovals()
	if attrsOnly {
		c.log.Error("attributes that were set here cannot be stored, and are dropped", "err", err)
		return true
	}
	c.log.Error("upload failed for good; the local copy is kept, see ncloudfs pending", "err", err, "kept", kept)
	return true
}

// keepLocked leaves the file to people: see Pending.
func (s *Staged) keepLocked(why error) {
	s.noteLocked(StateConflict, why)
	s.unlinked = true
	s.c.stage.keep(s.path)
	for i, path := range s.former {
		s.c.stage.keep(path)
		s.drafts[i].Close()
	}
	s.former, s.drafts = nil, nil
	s.freeRoomLocked()
	s.c.queue.leaveLocked(s)
	s.freeLocked(0, maxOffset) // what is kept does not count
	s.file.Close()
	s.file = nil // the file on disk stays
	s.setBaseLocked(remote.Object{})
}

// queue bounds how many files wait for their upload.
type queue struct {
	places chan struct{}
}

// queueLimit leaves half of the process's descriptors to others.
func queueLimit() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return maxQueue / 16
	}
	return int(min(limit.Cur/2, maxQueue))
}

func newQueue(n int) *queue { return &queue{make(chan struct{}, n)} }

// awaitQueue gives the file a place among those that wait, unless it has one.
func (c *Cache) awaitQueue(ctx context.Context, s *Staged) error {
	s.mu.Lock()
	has := s.inQueue
	s.mu.Unlock()
	if has {
		return nil
	}
	select {
	case c.queue.places <- struct{}{}:
	case <-time.After(queueTime):
		return errQueueFull
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inQueue {
		<-c.queue.places
	}
	s.inQueue = true
	return nil
}

// leave gives the file's place to the next.
func (q *queue) leave(s *Staged) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q.leaveLocked(s)
}

func (q *queue) leaveLocked(s *Staged) {
	if s.inQueue {
		<-q.places
		s.inQueue = false
	}
}
