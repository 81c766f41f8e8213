package cache

import (
	"context"
	"errors"
	"hash/crc32"
	"maps"
	"sync"

	"ncloudfs/remote"
)

const (
	// aheadStart is from which size on the parts of a file are sent before its
	// close: until then it may still be one that goes with a single PUT, or a
	// small one whose attributes are set in a moment.
	aheadStart = 32 << 20

	// aheadWaste is how many parts of a file may be written to after they were
	// sent: a file with more of them is written at random, and the rest of it
	// waits for the close.
	aheadWaste = 2
)

// ahead is a multipart upload of a new file that is still being written: its
// close has only the last parts to wait for. A part that is written to after it
// was sent is sent again by the close.
type ahead struct {
	ctx    context.Context
	cancel context.CancelFunc
	begun  chan struct{} // closed once the service has answered
	work   sync.WaitGroup

	// Guarded by Staged.mu.
	name     Name
	upload   *remote.Upload // nil: not begun yet, or it failed
	parts    []*earlyPart   // by number, from 1 on
	end      int64          // of the last of parts
	inFlight int
	waste    int
	stopped  bool // no more parts are sent
}

// earlyPart is a part that was sent before the close.
type earlyPart struct {
	part
	stale bool // was written to since it was read; guarded by Staged.mu

	done chan struct{}
	sent remote.Part // valid after done, like what follows
	sum  uint32      // CRC32C of what was sent
	err  error
}

// aheadLocked sends what can be sent of a file that grows.
func (s *Staged) aheadLocked() {
	if s.ahead == nil {
		if s.mayBeginAheadLocked() {
			s.beginAheadLocked()
		}
		return
	}
	a := s.ahead
	if a.upload == nil || a.stopped {
		return
	}
	if s.unlinked || s.name != a.name || s.running != nil {
		a.stopped = true
		return
	}
	for a.inFlight < s.c.uploads.Allowed() {
		n := len(a.parts) + 1
		size := partSizeOf(n, s.c.partSize)
		if size > maxBuffered || n > maxParts || s.wholeLocked() < a.end+2*size { // stays one behind the writer
			return
		}
		e := &earlyPart{part: part{n, a.end, size}, done: make(chan struct{})}
		a.parts, a.end = append(a.parts, e), a.end+size
		a.inFlight++
		a.work.Add(1)
		s.c.commits.Go(func() { s.sendEarly(a, e) })
	}
}

// mayBeginAheadLocked: in write-back mode the close does not wait for the
// upload, and the file's times may still be set after it. What a commit has
// once made of the file is not overtaken.
func (s *Staged) mayBeginAheadLocked() bool {
	return s.wholeLocked() >= aheadStart && !s.c.writeBack && !s.c.idle && s.baseEnd == 0 && s.committed == 0 && s.saved == 0 &&
		s.upload == nil && s.running == nil && s.pause == nil && s.aside == nil && !s.unlinked && !s.wasSent
}

// wholeLocked returns up to where the file has all its bytes.
func (s *Staged) wholeLocked() int64 {
	inside, until := s.local.at(0)
	if !inside {
		return 0
	}
	return until
}

// beginAheadLocked begins the upload. Its metadata carries no times, which are
// still changing: the file's are then that of its object (see committedTo).
func (s *Staged) beginAheadLocked() {
	c, p := s.c, s.c.path(s.c.keyOf(s.name))
	a := &ahead{name: s.name, begun: make(chan struct{})}
	a.ctx, a.cancel = context.WithCancel(c.ctx)
	s.ahead = a
	o := remote.PutOptions{ContentType: c.typeOf(s.contentType, s.name), Meta: timeless(s.attr.Meta(s.meta))}
	acl, read := s.acl, s.lookAtACLLocked()
	a.work.Add(1)
	c.commits.Go(func() {
		defer a.work.Done()
		defer close(a.begun)
		err := c.safely("an early upload", func() error {
			var err error
			if acl == nil {
				if acl, err = c.keptACL(a.ctx, read); err != nil {
					return err
				}
			}
			o.ACL = aclHeader(acl)
			up, err := c.begin(a.ctx, s, p, o, true)
			if err != nil {
				return err
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.ahead != a || s.unlinked { // given up meanwhile
				c.retries.Go(func() { c.abort(c.ctx, up) })
				if s.upload != nil && s.upload.ID == up.ID() {
					s.upload = nil
				}
				return nil
			}
			a.upload = up
			s.aheadLocked()
			return nil
		})
		if err != nil {
			s.mu.Lock()
			a.stopped = true // its close tries again, and tells
			s.mu.Unlock()
		}
	})
}

// sendEarly sends one part.
func (s *Staged) sendEarly(a *ahead, e *earlyPart) {
	defer a.work.Done()
	e.err = s.c.safely("an early part", func() error {
		if err := s.c.uploads.acquire(a.ctx); err != nil {
			return err
		}
		defer s.c.uploads.done(e.size)
		view := s.view()
		body, free, err := s.c.buffer(a.ctx, &view, e.off, e.size)
		if err != nil {
			return err
		}
		defer free()
		e.sum = crc32.Checksum(body, castagnoli())
		sent, err := a.upload.Part(a.ctx, e.number, remote.Memory(body), e.size)
		e.sent, err = partSent(a.upload, s, sent, err)
		return err
	})
	close(e.done)
	s.mu.Lock()
	defer s.mu.Unlock()
	a.inFlight--
	if e.err != nil {
		a.stopped = true
	}
	s.aheadLocked()
}

// staleLocked notes that the bytes [start, end) of the file change.
func (a *ahead) staleLocked(start, end int64) {
	if a == nil || start >= a.end {
		return
	}
	for _, e := range a.parts {
		if !e.stale && e.off < end && start < e.off+e.size {
			e.stale = true
			a.waste++
		}
	}
	if a.waste >= aheadWaste {
		a.stopped = true
	}
}

// endAhead has no more parts sent before the close, and returns those that were
// or are on their way, by number.
func (s *Staged) endAhead(ctx context.Context) (map[int]*earlyPart, error) {
	s.mu.Lock()
	a := s.ahead
	if a == nil {
		s.mu.Unlock()
		return nil, nil
	}
	a.stopped = true
	s.mu.Unlock()
	select {
	case <-a.begun:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	early := make(map[int]*earlyPart, len(a.parts))
	for _, e := range a.parts {
		early[e.number] = e
	}
	return early, nil
}

// take returns the part once the service has it, false when it is not what the
// file has now. Of what the kernel has written by itself only the bytes tell.
func (e *earlyPart) take(ctx context.Context, snap *snapshot, size int64) (remote.Part, bool) {
	select {
	case <-e.done:
	case <-ctx.Done():
		return remote.Part{}, false
	}
	snap.s.mu.Lock()
	stale, look := e.stale, snap.s.wasDirect
	snap.s.mu.Unlock()
	if e.err != nil || stale || e.size != size {
		return remote.Part{}, false
	}
	if look {
		sum, err := snap.sumOf(e.off, e.size)
		return e.sent, err == nil && sum == e.sum
	}
	return e.sent, true
}

// dropUpload gives up the multipart upload under way, if there is one.
func (s *Staged) dropUpload() {
	s.mu.Lock()
	had := s.upload != nil
	s.dropUploadLocked()
	s.mu.Unlock()
	if had {
		s.noteUpload(nil)
	}
}

func (s *Staged) dropUploadLocked() {
	a, u := s.ahead, s.upload
	s.ahead, s.upload = nil, nil
	if a == nil {
		s.c.abortBehind(u, nil)
		return
	}
	a.cancel()
	s.c.abortBehind(u, a.work.Wait)
}

// timeless returns m without the times of the file.
func timeless(m remote.Meta) remote.Meta {
	m = maps.Clone(m)
	for _, name := range []string{metaMtime, metaAtime, metaCtime} {
		delete(m, name)
	}
	return m
}

// errMetaLags: the object has all bytes, and the metadata of before the close.
var errMetaLags = errors.New("the metadata changed while the file was uploaded")
