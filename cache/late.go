package cache

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"maps"
	"slices"

	"ncloudfs/remote"
)

// comeLate looks at the object before a commit that is not part of a close:
// others may have come first, or an earlier try of ours whose answer was lost.
// It returns the object if that is already ours, nothing where the bucket still
// has what the file started from, else remote.ErrChanged.
func (c *Cache) comeLate(ctx context.Context, snap *snapshot) (remote.Object, error) {
	p := c.path(c.keyOf(snap.name))
	now, err := c.client.Head(ctx, p)
	if snap.mayLag && now.ETag != "" && now.ETag == snap.sending && c.sends.doubtOf(p.Key, now.ETag).exists() {
		// The file becomes what the object is (adoptLocked), which must stay then.
		if err := c.sends.settled(ctx, p.Key); err != nil {
			return remote.Object{}, err
		}
		now, err = c.client.Head(ctx, p)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist) && (snap.object.Path.Key == "" || snap.mayVanish && !snap.usesBase()):
		return remote.Object{}, nil // a removal of ours may have been carried out meanwhile
	case errors.Is(err, fs.ErrNotExist):
		return remote.Object{}, fmt.Errorf("removed elsewhere before its upload: %w", remote.ErrChanged)
	case err != nil:
		return remote.Object{}, err
	}
	if snap.sending != "" && now.ETag == snap.sending && now.ETag != snap.base.ETag {
		return now, nil
	}
	if ours, err := c.isOurs(ctx, snap, now); err != nil || ours {
		return now, err
	}
	if snap.mayReplace(now) {
		snap.found = now
		return remote.Object{}, snap.s.rebase(snap, now)
	}
	return remote.Object{}, fmt.Errorf("written elsewhere before its upload: %w", remote.ErrChanged)
}

// rebase makes now, which an earlier upload of the file has made, the base whose
// bytes show through, since the one before is gone; errNewBase: it did.
func (s *Staged) rebase(snap *snapshot, now remote.Object) error {
	if !snap.usesBase() || now.ETag == snap.base.ETag || !slices.Contains(snap.made, now.ETag) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if versionOf(s.base) == versionOf(snap.base) && !s.unlinked {
		s.setBaseLocked(now)
		s.noteLocked(s.busyStateLocked(), nil)
	}
	return errNewBase
}

// mayReplace reports whether now is a version that the snapshot comes after: the
// one that it started from, or an older one of ours.
func (s *snapshot) mayReplace(now remote.Object) bool {
	if isMarker(s.name) {
		return true // has no bytes to lose
	}
	before := s.object
	if before.Path.Key == "" {
		before = s.replacing
	}
	return before.Path.Key != "" && (now.ETag == before.ETag || before.ETag == "") || now.ETag != "" && slices.Contains(s.late, now.ETag)
}

// finishMove completes a rename that a crash cut short after it had moved the
// object, so that the file is uploaded under its new name. False: it had not.
func (c *Cache) finishMove(ctx context.Context, snap *snapshot) (bool, error) {
	if !snap.isLate || snap.movingTo == "" {
		return false, nil
	}
	_, err := c.client.Head(ctx, c.path(c.keyOf(snap.name)))
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	now, err := c.client.Head(ctx, c.path(c.keyOf(snap.movingTo)))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case now.ETag != snap.object.ETag:
		return false, nil
	}
	c.dirs.Changed(snap.movingTo, Entry{Kind: File, Object: now})
	snap.s.rename(snap.name, snap.movingTo, Move{From: snap.object, To: now}, remote.Object{})
	c.dirs.Changed(snap.name, Entry{Kind: Absent})
	return true, nil
}

// isOurs reports whether now holds just the snapshot: an earlier try was carried
// out, and its answer lost.
func (c *Cache) isOurs(ctx context.Context, snap *snapshot, now remote.Object) (bool, error) {
	switch {
	case now.Size != snap.size, !snap.dataChanged:
		return false, nil
	case isMarker(snap.name): // all have the same bytes
		return now.Size == 0 && maps.Equal(now.Meta, snap.meta), nil
	case snap.isBase(): // a copy keeps the ETag, but for objects in parts
		return (now.ETag == snap.base.ETag || now.ETag.Multipart()) && maps.Equal(now.Meta, snap.meta), nil
	case snap.usesBase() && snap.sending == "":
		return false, nil // not sent yet, and its base may be gone
	}
	return c.hasBytes(ctx, snap, now)
}

// hasBytes compares now with the local bytes, cut into parts as we cut them.
func (c *Cache) hasBytes(ctx context.Context, snap *snapshot, now remote.Object) (bool, error) {
	parts := plan(snap.size, c.partSize)
	if parts == nil {
		sum := md5.New()
		err := snap.hash(ctx, sum, 0, snap.size)
		return now.ETag == remote.ETag(hex.EncodeToString(sum.Sum(nil))), err
	}
	if !now.ETag.Multipart() {
		return false, nil
	}
	sent := make([]remote.Part, len(parts))
	for i, p := range parts {
		sum := md5.New()
		if err := snap.hash(ctx, sum, p.off, p.size); err != nil {
			return false, err
		}
		sent[i].ETag = remote.ETag(hex.EncodeToString(sum.Sum(nil)))
	}
	etag, _ := remote.CombinedETag(sent)
	return now.ETag == etag, nil
}

// hash adds a range of the snapshot to sum.
func (s *snapshot) hash(ctx context.Context, sum hash.Hash, off, size int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	_, err := io.Copy(sum, io.NewSectionReader(s, off, size))
	return err
}
