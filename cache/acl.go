package cache

import (
	"context"
	"fmt"
	"io/fs"

	"ncloudfs/remote"
)

// ACL returns the canned name of n's ACL, empty where it has none: one request,
// or none while an ACL waits for the upload of the file. A directory's is that
// of its marker.
func (c *Cache) ACL(ctx context.Context, n Name) (string, error) {
	p, s, err := c.ownerOfACL(ctx, n)
	if err != nil {
		return "", fmt.Errorf("ACL of %q: %w", n, err)
	}
	defer s.Release()
	if acl, waits := s.pendingACL(); waits {
		return acl, nil
	}
	acl, err := c.client.ACL(ctx, p)
	if err != nil {
		return "", fmt.Errorf("ACL of %q: %w", n, err)
	}
	return acl.Canned(), nil
}

// SetACL gives n's object a canned ACL: one request, or behind the file's next
// upload where that is still to come. A crash in between does not lose it.
func (c *Cache) SetACL(ctx context.Context, n Name, canned string) error {
	p, s, err := c.ownerOfACL(ctx, n)
	if err != nil {
		return fmt.Errorf("set ACL of %q: %w", n, err)
	}
	defer s.Release()
	if s != nil && s.Dirty() {
		s.setACL(canned)
		return s.Promise(ctx)
	}
	if err := c.client.SetCannedACL(ctx, p, canned); err != nil {
		return fmt.Errorf("set ACL of %q: %w", n, err)
	}
	return nil
}

// ownerOfACL returns the object whose ACL n's is, and what is staged of it,
// which the caller must Release.
func (c *Cache) ownerOfACL(ctx context.Context, n Name) (remote.Path, *Staged, error) {
	e, err := c.Stat(ctx, n)
	switch {
	case err != nil:
		return remote.Path{}, nil, err
	case e.Kind == Absent:
		return remote.Path{}, nil, fs.ErrNotExist
	case e.Kind == Dir:
		return c.path(c.dirKeyOf(n)), c.stage.take(n.marker()), nil
	}
	return c.path(c.keyOf(n)), c.stage.take(n), nil
}

func (s *Staged) setACL(canned string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acl = canned
	s.touchLocked(false)
}

// pendingACL returns the ACL that waits for the file's upload.
func (s *Staged) pendingACL() (acl string, waits bool) {
	if s == nil {
		return "", false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.acl != "":
		return s.acl, true
	case s.object.Path.Key == "" && s.dirtyLocked():
		return remote.Private, true // what the service gives by itself
	}
	return "", false
}

// setPendingACL gives o, which has just been stored, the ACL that the file is to
// have. The journal says so until it is done.
func (c *Cache) setPendingACL(ctx context.Context, s *Staged, o remote.Object) error {
	s.mu.Lock()
	acl := s.acl
	if acl != "" && !s.unlinked {
		s.noteLocked(StateACLPending, nil)
	}
	s.mu.Unlock()
	if acl == "" {
		return nil
	}
	step("acl")
	if err := c.client.SetCannedACL(ctx, o.Path, acl); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.acl == acl {
		s.acl = ""
	}
	return nil
}
