package cache

import (
	"context"
	"fmt"
	"io/fs"

	"ncloudfs/remote"
)

// ACL returns the ACL of n's object: one request, or none while the file is not in
// the bucket yet. A directory's is that of its marker, fs.ErrNotExist where it has
// none; a bucket's root's is that of the bucket.
func (c *Cache) ACL(ctx context.Context, n Name) (*remote.ACL, error) {
	p, s, err := c.ownerOfACL(ctx, n)
	if err != nil {
		return nil, fmt.Errorf("ACL of %q: %w", n, err)
	}
	defer s.Release()
	acl, of := s.nextACL()
	if acl != nil {
		return acl, nil
	}
	if of.Key != "" {
		p = of
	}
	if acl, err = c.client.ACL(ctx, p); err != nil {
		return nil, fmt.Errorf("ACL of %q: %w", n, err)
	}
	return acl, nil
}

// SetACL gives n's object the ACL a and changes nothing else: one request, or two
// for grants that do not name the owner; or with the file's first upload where
// that is still to come; in write-back mode a crash in between does not lose it. A
// directory must have a marker, else fs.ErrNotExist.
func (c *Cache) SetACL(ctx context.Context, n Name, a *remote.ACL) error {
	release, err := c.claimName(ctx, n, c.keyOf(n), c.markerOf(n)) // an upload on its way has read the ACL of before
	if err != nil {
		return err
	}
	p, s, err := c.ownerOfACL(ctx, n)
	if err == nil {
		defer s.Release()
		if s.setFirstACL(a) {
			release()
			if c.writeBack {
				return s.Promise(ctx)
			}
			return nil
		}
		if err = c.client.ApplyACL(ctx, p, a); err == nil {
			s.forgetACL()
		}
		c.created.Remove(p.Key)
	}
	release()
	if err != nil {
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
	case e.Kind == Absent, c.bucket == remote.Account && n == "":
		return remote.Path{}, nil, fs.ErrNotExist
	case e.Kind == Dir:
		return c.path(c.dirKeyOf(n)), c.stage.take(n.marker()), nil
	}
	return c.path(c.keyOf(n)), c.stage.take(n), nil
}

// setFirstACL has the file's first upload under its name give it an ACL; false
// where it is in the bucket already.
func (s *Staged) setFirstACL(a *remote.ACL) bool {
	if s == nil {
		return false
	}
	s.lock()
	defer s.mu.Unlock()
	if s.unlinked || s.object.Path.Key != "" || !s.dirtyLocked() {
		return false
	}
	s.acl = a
	s.c.created.Remove(s.c.keyOf(s.name))
	s.touchLocked(false)
	return true
}

// forgetACL has the next upload look at the object's ACL anew, which was set here.
func (s *Staged) forgetACL() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acl = nil
	s.keepsLocked(s.aclOf)
}

// nextACL returns the ACL that the file's first upload under its name gives it, or
// the object whose ACL it keeps; neither where the file is in the bucket.
func (s *Staged) nextACL() (*remote.ACL, remote.Path) {
	if s == nil {
		return nil, remote.Path{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.object.Path.Key != "" || !s.dirtyLocked():
		return nil, remote.Path{}
	case s.acl != nil:
		return s.acl, remote.Path{}
	case s.c.acl == nil && s.aclOf.Key != "":
		return nil, s.aclOf
	case s.c.acl == nil:
		return &remote.ACL{}, remote.Path{} // private, what the service gives by itself
	}
	return s.c.acl, remote.Path{}
}
