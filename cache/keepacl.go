package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"time"

	"ncloudfs/remote"
)

// aclAge is for how long an ACL that was read before an upload is believed: what
// another client revokes in that time may come back with it. An open, a write and
// a close take less, as a rule.
const aclAge = 5 * time.Second

// noACLsTime is for how long a service that says it has no ACLs for objects is not
// asked: a proxy on the way may have said so.
const noACLsTime = 10 * time.Minute

// aclRead is a look at the ACL of an object, under way or done. The service gives
// every object that is written or copied its default ACL; what is to be kept must
// be known before.
type aclRead struct {
	of    remote.Path
	begun time.Time
	done  chan struct{}
	acl   *remote.ACL // valid after done, like err
	err   error
}

// readACL begins to look at the ACL of p; nil where none is kept: there is no
// object, or the mount gives all its objects the same.
func (c *Cache) readACL(p remote.Path) *aclRead {
	if c.acl != nil || p.Key == "" {
		return nil
	}
	r := &aclRead{of: p, begun: time.Now(), done: make(chan struct{})}
	c.commits.Go(func() {
		defer close(r.done)
		r.err = c.safely("the ACL of "+p.String(), func() (err error) {
			if time.Now().Unix() < c.noACLs.Load() {
				return errors.ErrUnsupported
			}
			r.acl, err = c.client.ACL(c.ctx, p)
			return err
		})
	})
	return r
}

// keptACL returns the ACL that what is written in the place of r's object gets;
// nil: the service's default, where there is no object, or it hides its ACL.
func (c *Cache) keptACL(ctx context.Context, r *aclRead) (*remote.ACL, error) {
	if r == nil {
		return c.acl, nil
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	switch {
	case errors.Is(r.err, fs.ErrNotExist):
		return nil, nil
	case errors.Is(r.err, errors.ErrUnsupported):
		if time.Now().Unix() >= c.noACLs.Load() {
			c.noACLs.Store(time.Now().Add(noACLsTime).Unix())
		}
		c.loseACL(r.of, r.err)
		return nil, nil
	case isWithheld(r.err):
		c.loseACL(r.of, r.err)
		return nil, nil
	case r.err != nil:
		return nil, fmt.Errorf("the ACL that it has to keep: %w", r.err)
	}
	return r.acl, nil
}

// isWithheld reports that the keys may not do what was asked for, or that the service
// does not offer it.
func isWithheld(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, errors.ErrUnsupported)
}

// loseACL counts an ACL that could not be kept, and says so once.
func (c *Cache) loseACL(of remote.Path, err error) {
	if c.aclsLost.Add(1) == 1 {
		c.log.Warn("an ACL cannot be read or not be set, so that what is written in the place of the object gets the default one (private); this is said once, whatever else it happens to",
			"path", of.String(), "err", err)
	}
}

// ACLsLost returns how many objects got the default ACL because the one that they
// should have kept could not be read, or not be set again.
func (c *Cache) ACLsLost() int64 { return c.aclsLost.Load() }

// aclHeader returns the canned name that the request carries which makes an object
// with the ACL a; empty: a is the default, or has no such name.
func aclHeader(a *remote.ACL) string {
	if a == nil || a.Canned() == remote.Private {
		return ""
	}
	return a.Canned()
}

// hasGrants reports whether no header carries a, so that it is set after the
// object is there.
func hasGrants(a *remote.ACL) bool { return a != nil && a.Canned() == "" }

// lookAtACLLocked returns the look at the ACL that the file's next upload keeps;
// one that is too old, or at another object, is begun anew.
func (s *Staged) lookAtACLLocked() *aclRead {
	if r := s.aclRead; r == nil || r.of != s.aclOf || time.Since(r.begun) > aclAge {
		s.aclRead = s.c.readACL(s.aclOf)
	}
	return s.aclRead
}

// lookAtACL begins, when the file is opened, to look at the ACL that its upload
// has to keep.
func (s *Staged) lookAtACL() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.acl == nil && s.kept == nil {
		s.lookAtACLLocked()
	}
}

// chooseACL decides, before the snapshot is stored or completed, which ACL it
// gets: what a program has set, else that of the object whose place it takes,
// read anew, unless an earlier try has replaced that object already. What no header
// carries is recorded first: a crash would lose it.
func (c *Cache) chooseACL(ctx context.Context, snap *snapshot) error {
	if snap.diverted {
		return nil
	}
	s := snap.s
	s.mu.Lock()
	s.keptStored = s.keptStored || s.kept != nil && snap.replacesOurs()
	switch {
	case s.acl != nil:
		snap.acl = s.acl
	case s.keptStored:
		snap.acl = s.kept
	case !snap.aclChosen:
		snap.acl = nil
	}
	if snap.acl != nil || snap.aclChosen {
		s.mu.Unlock()
		return nil
	}
	s.kept = nil
	if (snap.isCopy() || isMarker(snap.name)) && c.isMadeHere(c.keyOf(snap.name), snap.base.ETag) {
		s.mu.Unlock()
		return nil
	}
	read := s.lookAtACLLocked()
	s.mu.Unlock()
	var err error
	if snap.acl, err = c.keptACL(ctx, read); err != nil {
		return err
	}
	s.mu.Lock()
	if !hasGrants(snap.acl) && (s.upload == nil || s.upload.ACL == aclHeader(snap.acl)) {
		s.mu.Unlock()
		return nil
	}
	if s.kept = snap.acl; s.kept == nil {
		s.kept = &remote.ACL{} // the default, not what the upload began with
	}
	var seq uint64
	if !s.unlinked {
		seq = s.noteLocked(s.busyStateLocked(), nil)
	}
	s.mu.Unlock()
	if err := c.stage.journal.Sync(seq); err != nil {
		return fmt.Errorf("%w: %w", ErrStage, err)
	}
	return nil
}

// replacesOurs reports whether a late commit has found another version than the
// one that it started from: an earlier try was carried out.
func (s *snapshot) replacesOurs() bool {
	return s.found.ETag != "" && (s.found.ETag != s.object.ETag || s.found.ModTime.Unix() != s.object.ModTime.Unix() || maps.Equal(s.found.Meta, s.meta))
}

// recallACL is chooseACL where an earlier try has stored the snapshot. What a
// header carries, that has carried, unless it was chosen after the upload began.
func (c *Cache) recallACL(snap *snapshot) {
	s := snap.s
	s.mu.Lock()
	defer s.mu.Unlock()
	snap.acl, snap.owesACL = s.acl, s.acl != nil
	if snap.acl == nil {
		snap.acl, s.keptStored = s.kept, s.kept != nil
	}
	if s.upload != nil {
		snap.carried = s.upload.ACL
	}
}

// giveACL gives o, which holds the snapshot, the ACL that it is to have and has
// not got by being stored. The journal says so until it is done.
func (c *Cache) giveACL(ctx context.Context, snap *snapshot, o remote.Object) error {
	s := snap.s
	if snap.acl != nil && (snap.owesACL || hasGrants(snap.acl) || aclHeader(snap.acl) != snap.carried) {
		s.mu.Lock()
		s.keptStored = s.kept != nil
		isKept := s.acl == nil
		if !s.unlinked {
			s.noteLocked(StateACLPending, nil)
		}
		s.mu.Unlock()
		step("acl")
		err := c.client.ApplyACL(ctx, o.Path, snap.acl)
		if isKept && isWithheld(err) {
			c.loseACL(o.Path, err) // the object is there, and can be no other way
		} else if err != nil {
			return fmt.Errorf("its ACL: %w", err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.acl == snap.acl {
		s.acl = nil
	}
	return nil
}

// keepsLocked: the next upload keeps the ACL that p has by then.
func (s *Staged) keepsLocked(p remote.Path) {
	s.aclOf, s.aclRead, s.kept, s.keptStored = p, nil, nil, false
}

// followsLocked is keepsLocked where the object was moved to p: grants that it was
// still to get are so still.
func (s *Staged) followsLocked(p remote.Path) {
	kept, isStored := s.kept, s.keptStored
	s.keepsLocked(p)
	if isStored {
		s.kept, s.keptStored = kept, true
	}
}

// savedOver returns the object of to, which is about to be replaced, where that is
// a save; else its Key is empty.
func (c *Cache) savedOver(ctx context.Context, from, to Name) (remote.Path, error) {
	if !c.isSave(c.keyOf(from)) {
		return remote.Path{}, nil
	}
	old, err := c.objectOf(ctx, to)
	if errors.Is(err, fs.ErrNotExist) {
		return remote.Path{}, nil
	}
	return old.Path, err
}

// keepACLOf: the next upload keeps the ACL of p.
func (s *Staged) keepACLOf(p remote.Path) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keepsLocked(p)
	s.indexBasesLocked()
}

// aclForCopy returns the ACL that a copy of old is to have, read anew: its own, or,
// where a file is saved over an older version, that of the object at saved.
func (c *Cache) aclForCopy(ctx context.Context, old remote.Object, saved remote.Path) (*remote.ACL, error) {
	if saved.Key != "" {
		if acl, err := c.keptACL(ctx, c.readACL(saved)); acl != nil || err != nil {
			return acl, err
		}
	}
	if c.isMadeHere(old.Path.Key, old.ETag) {
		return c.acl, nil
	}
	return c.keptACL(ctx, c.readACL(old.Path))
}
