package cache

import (
	"context"
	"errors"

	"ncloudfs/remote"
)

// ungranted is the error of a copy that is there, but has not got the grants that
// it is to have: it is private.
type ungranted struct {
	acl   *remote.ACL
	err   error
	stays bool // the copy is left where it is, see undoCopy
}

func (u *ungranted) Error() string { return "the ACL of the copy: " + u.err.Error() }
func (u *ungranted) Unwrap() error { return u.err }

// undoCopy deletes a copy without its grants, for the holder of the claim. One that
// has replaced something stays, since that is gone. It returns u.
func (c *Cache) undoCopy(ctx context.Context, to Name, u *ungranted) error {
	ctx = context.WithoutCancel(ctx)
	before, err := c.replacedBy(ctx, to) // known from before, as a rule; else it is the copy, and stays
	switch {
	case err != nil || before.Path.Key != "":
		u.stays = true
		return u
	default:
		err := c.delete(ctx, c.path(c.keyOf(to)))
		c.endGrants(c.keyOf(to), err)
		return errors.Join(u, err)
	}
}

// oweGrants has the object of to, a copy that has replaced another file, get its
// grants as soon as that can be: a failed upload, of nothing but its ACL.
func (c *Cache) oweGrants(ctx context.Context, to Name, u *ungranted) {
	s, err := c.stageForMeta(context.WithoutCancel(ctx), to)
	if err == nil {
		defer s.Release()
		s.owe(u.acl, u)
	}
	c.endGrants(c.keyOf(to), err)
}

// owe has the file's next upload set an ACL, which has failed just now.
func (s *Staged) owe(acl *remote.ACL, failure error) {
	s.lock()
	if s.acl == nil {
		s.acl = acl
	}
	s.touchLocked(false)
	upTo := s.changes
	s.mu.Unlock()
	s.noteFailure(failure, upTo)
}
