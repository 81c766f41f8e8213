package cache

import (
	"context"

	"ncloudfs/remote"
)

// SetACL gives the file's object a canned ACL: with its next upload, or at once
// where that holds everything. A crash in between does not lose it.
func (s *Staged) SetACL(canned string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acl = canned
	s.touchLocked(false)
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
