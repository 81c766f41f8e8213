package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"ncloudfs/remote"
)

// ErrConflict says that another client's version has kept the name, and ours is
// stored beside it. It is a remote.ErrChanged.
var ErrConflict = fmt.Errorf("both versions are kept: %w", remote.ErrChanged)

// divert stores a snapshot that cannot take its name, because of the error why,
// beside it: theirs keeps NAME, ours becomes NAME.conflict-HOST-TIME, which the
// handles then follow. It returns why, with where ours is; it is an ErrConflict
// only then. Where bytes of the old version are needed that are gone with it,
// the local copy is all there is.
func (c *Cache) divert(ctx context.Context, snap *snapshot, why error) error {
	switch isMoved := snap.base.Path.Key != "" && snap.base.Path.Key != c.keyOf(snap.name); {
	case isMoved && snap.isBase():
		if err := c.checkMoved(ctx, snap, why); err != nil {
			return err
		}
	case isMarker(snap.name), !snap.dataChanged:
		return fmt.Errorf("attributes set here are not those of another client's version: %w", why)
	}
	name := c.conflictName(snap.name)
	p := c.path(c.keyOf(name))
	step("conflict")
	o, err := c.sendAside(ctx, p, snap, bodyOf(why))
	if errors.Is(err, remote.ErrChanged) || errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w; what was written is kept in %s, the rest of the old version is gone", why, snap.s.fileName())
	}
	if err != nil {
		snap.s.becomeLate()
		return fmt.Errorf("%w, and to store ours as %q failed: %w", errors.New(why.Error()), name, err)
	}
	step("conflict-done")
	if hasGrants(snap.acl) {
		if err := c.client.ApplyACL(ctx, p, snap.acl); err != nil {
			c.log.Warn("a version that is stored beside another client's is private", "path", p.String(), "err", err)
		}
	}
	c.known.Learn(o, true)
	snap.s.followConflict(name, snap, o)
	c.dirs.Changed(name, Entry{Kind: File, Object: o})
	c.dirs.Unpin(snap.name)
	c.Forget(snap.name)
	err = fmt.Errorf("%w; ours is stored as %q: %w", errors.New(why.Error()), name, ErrConflict)
	c.log.Warn("two versions of a file", "err", err)
	return err
}

// errNewBase: a file that was renamed here was written elsewhere before its
// object was moved. The newest version is what is renamed.
var errNewBase = errors.New("written elsewhere before its rename was carried out")

// checkMoved looks at the object of a file that was renamed. nil: it is there,
// and only its new name is taken.
func (c *Cache) checkMoved(ctx context.Context, snap *snapshot, why error) error {
	now, err := c.client.Head(ctx, snap.base.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%q, which was renamed here, was removed elsewhere: %w", snap.base.Path.Key, why)
	case err != nil:
		return err
	case now.ETag == snap.base.ETag:
		return nil
	}
	s := snap.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changes == snap.changes && versionOf(s.base) == versionOf(snap.base) {
		s.setBaseLocked(now)
		s.size, s.baseEnd = now.Size, now.Size
		s.noteLocked(StateReady, nil)
	}
	return errNewBase
}

// sendAside stores the snapshot under p; body, if it is not nil, is its content.
func (c *Cache) sendAside(ctx context.Context, p remote.Path, snap *snapshot, body []byte) (remote.Object, error) {
	aside := *snap
	aside.diverted = true
	switch {
	case body == nil && snap.isBase() && snap.base.Size <= maxCopySize:
		return c.copyBase(ctx, p, &aside)
	case body == nil:
		return c.sendBytes(ctx, p, &aside)
	}
	o, err := c.putBody(ctx, p, &aside, body, snap.putOptions())
	o.Size, o.Meta, o.ContentType, o.HasMeta = snap.size, snap.meta, snap.contentType, true
	return o, err
}

// conflictName returns where our version of n is stored beside another's.
func (c *Cache) conflictName(n Name) Name {
	host, _ := os.Hostname() // without one, the time has to do
	host = strings.Map(func(r rune) rune {
		if r == '/' || r < ' ' {
			return '-'
		}
		return r
	}, host)
	end := ".conflict-" + host + "-" + time.Now().UTC().Format("20060102T150405.000Z")
	dir, base := n.Split()
	base = strings.TrimSuffix(base, escapeBeside) // nothing is beside the copy
	room := min(MaxBase, remote.MaxKeyLength-len(c.dirKeyOf(dir))) - len(end) - 1
	for len(base) > room && base != "" {
		_, size := utf8.DecodeLastRuneInString(base)
		base = base[:len(base)-size]
	}
	return dir.Join(base + end)
}

// followConflict makes name, where o holds snap, what the file is called.
func (s *Staged) followConflict(name Name, snap *snapshot, o remote.Object) {
	s.mu.Lock()
	s.c.stage.move(s.name, name, s)
	s.name = name
	s.conflicts++
	s.wasSent, s.movingTo = true, ""
	s.mu.Unlock()
	renamed := *snap
	renamed.name = name
	s.committedTo(&renamed, o, false)
}
