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

	"ncloudfs/remote"
)

// comeLate looks at the object before a commit that is not part of a close:
// others may have come first, or an earlier try of ours whose answer was lost.
// It returns the object if that is already ours, nothing where the bucket still
// has what the file started from, else remote.ErrChanged.
func (c *Cache) comeLate(ctx context.Context, snap *snapshot) (remote.Object, error) {
	p := c.path(c.keyOf(snap.name))
	now, err := c.client.Head(ctx, p)
	before := snap.object
	if before.Path.Key == "" {
		before = snap.replacing
	}
	expected := before.Path.Key != ""
	switch {
	case errors.Is(err, fs.ErrNotExist) && !expected:
		return remote.Object{}, nil
	case errors.Is(err, fs.ErrNotExist):
		return remote.Object{}, fmt.Errorf("removed elsewhere before its upload: %w", remote.ErrChanged)
	case err != nil:
		return remote.Object{}, err
	case expected && now.ETag == before.ETag:
		return remote.Object{}, nil
	case snap.sending != "" && now.ETag == snap.sending && now.Size == snap.size:
		return now, nil
	}
	if ours, err := c.isOurs(ctx, snap, now); err != nil || ours {
		return now, err
	}
	return remote.Object{}, fmt.Errorf("written elsewhere before its upload: %w", remote.ErrChanged)
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
	snap.s.rename(snap.name, snap.movingTo, Move{snap.object, now}, remote.Object{})
	c.dirs.Changed(snap.name, Entry{Kind: Absent})
	return true, nil
}

// isOurs reports whether now holds just the bytes of the snapshot, cut into
// parts as we cut them.
func (c *Cache) isOurs(ctx context.Context, snap *snapshot, now remote.Object) (bool, error) {
	if now.Size != snap.size {
		return false, nil
	}
	parts := plan(snap.size, c.partSize)
	if parts == nil {
		sum := md5.New()
		err := snap.hash(ctx, sum, 0, snap.size)
		return now.ETag == remote.ETag(hex.EncodeToString(sum.Sum(nil))), err
	}
	sent := make([]remote.Part, len(parts))
	for i, p := range parts {
		sum := md5.New()
		if err := snap.hash(ctx, sum, p.off, p.size); err != nil {
			return false, err
		}
		sent[i].ETag = remote.ETag(hex.EncodeToString(sum.Sum(nil)))
	}
	return now.ETag == combined(sent), nil
}

// combined is the ETag of an object of these parts: the MD5 of their MD5s, and
// their number. Where a part's ETag is no MD5 it is that of no object.
func combined(parts []remote.Part) remote.ETag {
	all := md5.New()
	for _, p := range parts {
		sum, err := hex.DecodeString(string(p.ETag))
		if err != nil {
			return ""
		}
		all.Write(sum)
	}
	return remote.ETag(fmt.Sprintf("%x-%d", all.Sum(nil), len(parts)))
}

// hash adds a range of the snapshot to sum.
func (s *snapshot) hash(ctx context.Context, sum hash.Hash, off, size int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	_, err := io.Copy(sum, io.NewSectionReader(s, off, size))
	return err
}
