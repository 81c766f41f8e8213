package cache

import (
	"context"
	"errors"
	"fmt"

	"ncloudfs/remote"
)

// CopyFrom makes an empty file the whole version o of another object of the same
// bucket, or account: one Copy, which is done when it returns, in either mode of writing, so
// that nothing of ours depends on o afterwards. The file keeps its attributes. It is
// as empty as before on an error: errors.ErrUnsupported where bytes have to be
// written, since it is not empty or the kernel writes it.
func (s *Staged) CopyFrom(ctx context.Context, o remote.Object) error {
	name, release, err := s.c.claimStaged(ctx, s)
	if err != nil {
		return err
	}
	defer release()
	snap, ok := s.beginCopy(name, o)
	if !ok {
		return fmt.Errorf("copy to %q: %w", name, errors.ErrUnsupported)
	}
	snap.ctx, snap.name, snap.contentType = ctx, name, s.c.typeOf(snap.contentType, name)
	step("copy-from")
	stored, err := s.c.copyInto(ctx, snap)
	if err != nil {
		s.undoCopy(err)
		return fmt.Errorf("copy to %q: %w", name, err)
	}
	step("copy-from-done")
	s.c.finish(snap, stored)
	return nil
}

// beginCopy makes o the base of the file n, as what the journal says of it, if it is
// empty.
func (s *Staged) beginCopy(n Name, o remote.Object) (*snapshot, bool) {
	s.mu.Lock()
	isEmpty := s.size == 0 && s.baseEnd == 0 && len(s.local.list) == 0
	if !isEmpty || s.direct != nil || s.unlinked || s.saving > 0 || s.isLate || s.promisedLocked() || s.ahead != nil || s.upload != nil || s.aside != nil ||
		o.Size == 0 || o.Size > maxCopySize || o.ETag == "" || o.Path.Bucket != s.c.bucket || o.Path.Key == s.c.keyOf(s.name) || s.reserveRoomLocked() != nil {
		s.mu.Unlock()
		return nil, false
	}
	s.setBaseLocked(o)
	s.baseEnd, s.size, s.wasWritten = o.Size, o.Size, true
	s.touchLocked(true)
	s.mu.Unlock()
	snap, err := s.snapshot(n, false)
	if err != nil || snap != nil && !snap.isBase() { // renamed or written to meanwhile
		s.undoCopy(nil)
		return nil, false
	}
	return snap, snap != nil
}

func (c *Cache) copyInto(ctx context.Context, snap *snapshot) (remote.Object, error) {
	if err := c.awaitBase(ctx, snap); err != nil {
		return remote.Object{}, err
	}
	if err := c.chooseACL(ctx, snap); err != nil {
		return remote.Object{}, err
	}
	if hasGrants(snap.acl) { // which would follow the copy
		return remote.Object{}, errors.ErrUnsupported
	}
	from := snap.base
	from.Meta, from.ContentType = snap.meta, snap.contentType
	if !from.ETag.Multipart() {
		snap.noteSending(from.ETag)
	}
	snap.carried = aclHeader(snap.acl)
	stored, err := c.sendCopy(ctx, c.path(c.keyOf(snap.name)), from, snap.carried)
	if err != nil {
		return stored, err
	}
	return stored, c.giveACL(ctx, snap, stored)
}

// undoCopy makes the file empty again. The copy may still be carried out.
func (s *Staged) undoCopy(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unlinked {
		return
	}
	s.setBaseLocked(remote.Object{})
	s.baseEnd, s.size = 0, 0
	if n := len(s.local.list); n > 0 {
		s.size = s.local.list[n-1].End
	}
	s.isLate = s.isLate || why != nil && !permanent(why) && !errors.Is(why, errors.ErrUnsupported)
	s.touchLocked(true)
}
