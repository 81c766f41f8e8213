package cache

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"maps"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"ncloudfs/remote"
)

// putParts sends a large file in parts, side by side. An upload that an earlier
// try, of this mount or of one before it, has left is gone on with: parts that
// the service has need not be sent again. One that the service has forgotten is
// begun anew. What fails stays, for the next try; what cannot be completed any
// more is aborted, since unfinished uploads are kept and billed for ever.
func (c *Cache) putParts(ctx context.Context, p remote.Path, snap *snapshot, parts []part, o remote.PutOptions) (remote.Object, error) {
	up, have, err := c.resume(ctx, p, snap, o)
	if err != nil {
		return remote.Object{}, err
	}
	stored, err := c.sendParts(ctx, up, snap, parts, have)
	if isForgotten(err) {
		snap.s.dropUpload()
		if up, err = c.begin(ctx, snap.s, p, o, false); err == nil {
			stored, err = c.sendParts(ctx, up, snap, parts, sentParts{})
		}
	}
	if err != nil && up != nil && (isForgotten(err) || permanent(err) || !snap.s.mayResume()) {
		snap.s.dropUpload()
	}
	if err != nil {
		return remote.Object{}, err
	}
	return c.describeParts(ctx, snap, stored)
}

// describeParts completes the description of an object that was made in parts.
// Of one whose upload began before the file's close, the metadata may be out of
// date, and the file's time is the object's, which only a look at it tells.
func (c *Cache) describeParts(ctx context.Context, snap *snapshot, stored remote.Object) (remote.Object, error) {
	u := snap.s.unfinished()
	if u != nil {
		snap.carried = u.ACL
	}
	if u == nil || !u.Early {
		stored.Meta, stored.ContentType = snap.meta, snap.contentType
		return stored, nil
	}
	stored.Meta, stored.ContentType = u.Meta, u.ContentType
	if !u.describes(snap) {
		snap.metaLags = true
		return stored, nil
	}
	snap.timeless = true
	now, err := c.client.Head(ctx, stored.Path)
	if err == nil && now.ETag == stored.ETag {
		stored.ModTime = now.ModTime
	}
	return stored, nil // it is there: the next listing tells its time
}

// sentParts are the parts that an upload has, or is just getting, by number.
type sentParts struct {
	recorded map[int]recordedPart
	early    map[int]*earlyPart
}

// isForgotten reports that the service does not know the upload, or not its
// parts, any more.
func isForgotten(err error) bool {
	switch remote.CodeOf(err) {
	case remote.NoSuchUpload, remote.InvalidPart, remote.InvalidPartOrder, remote.EntityTooSmall:
		return true
	}
	return false
}

// mayResume reports whether what is left of an upload can be of use.
func (s *Staged) mayResume() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dirtyLocked()
}

// resume returns the upload that the writing of the file or an earlier try has
// left, and its parts, or begins one.
func (c *Cache) resume(ctx context.Context, p remote.Path, snap *snapshot, o remote.PutOptions) (*remote.Upload, sentParts, error) {
	early, err := snap.s.endAhead(ctx)
	if err != nil {
		return nil, sentParts{}, err
	}
	old := snap.s.unfinished()
	if old == nil || old.PartSize != partSizeOf(1, c.partSize) || !old.serves(p, snap) {
		snap.s.dropUpload()
		up, err := c.begin(ctx, snap.s, p, o, false)
		return up, sentParts{}, err
	}
	have := sentParts{make(map[int]recordedPart, len(old.Parts)), early}
	for _, part := range old.Parts {
		have.recorded[part.Number] = part
	}
	return c.client.Resume(p, old.ID, o), have, nil
}

// serves reports whether the upload can become the snapshot as the object p.
func (u *recordedUpload) serves(p remote.Path, snap *snapshot) bool {
	if u.Early {
		return string(u.Key) == p.Key && (u.describes(snap) || snap.size <= maxCopySize)
	}
	return u.Of == uploadOf(p, remote.PutOptions{ContentType: snap.contentType, Meta: snap.meta})
}

// describes reports whether an early upload has the metadata of the snapshot,
// which need not carry its times while no program has set them.
func (u *recordedUpload) describes(snap *snapshot) bool {
	return !snap.timesSet && u.ContentType == snap.contentType && maps.Equal(u.Meta, timeless(snap.meta))
}

// unfinished returns what is known of an upload under way, or nil.
func (s *Staged) unfinished() *recordedUpload {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.upload
}

// begin starts an upload and records it; early: before the file is closed. When
// ctx ends before the answer, the answer is awaited behind, and the upload
// aborted.
func (c *Cache) begin(ctx context.Context, s *Staged, p remote.Path, o remote.PutOptions, early bool) (*remote.Upload, error) {
	var err error
	began := make(chan *remote.Upload)
	c.commits.Go(func() {
		var up *remote.Upload
		step("upload")
		up, err = c.client.Begin(c.ctx, p, o)
		select {
		case began <- up:
		case <-ctx.Done():
			if up != nil {
				c.abort(ctx, up)
			}
		}
	})
	select {
	case up := <-began:
		if err != nil {
			return nil, err
		}
		u := &recordedUpload{ID: up.ID(), Key: []byte(p.Key), PartSize: partSizeOf(1, c.partSize), Of: uploadOf(p, o), ACL: o.ACL}
		if early {
			u.Early, u.Meta, u.ContentType = true, o.Meta, o.ContentType
		}
		s.noteUpload(u)
		step("upload-noted")
		return up, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// abort removes an unfinished upload, and reports whether it is gone.
func (c *Cache) abort(ctx context.Context, up *remote.Upload) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTime)
	defer cancel()
	if err := up.Abort(ctx); err != nil {
		c.log.Warn("an unfinished upload remains in the bucket", "upload", up.ID(), "err", err)
		return false
	}
	return true
}

// abortBehind removes an upload that nobody needs any more, once wait returns; a nil
// upload is none, a nil wait does not wait. The journal keeps it for the next mount
// until it is gone.
func (c *Cache) abortBehind(u *recordedUpload, wait func()) {
	if u == nil || c.idle {
		return
	}
	r := Record{ID: abortID + u.ID, State: StateDone, At: time.Now(), Upload: &recordedUpload{ID: u.ID, Key: u.Key}}
	c.appendLogged(c.nameOf(string(u.Key)), r)
	c.retries.Go(func() {
		if wait != nil {
			wait()
		}
		if c.abort(c.ctx, c.client.Resume(c.path(string(u.Key)), u.ID, remote.PutOptions{})) {
			c.stage.journal.Forget(r.ID)
		}
	})
}

// abortID begins the ID of a record of an upload that is to be aborted.
const abortID = "abort-"

func (r Record) isAbort() bool { return strings.HasPrefix(r.ID, abortID) }

func (c *Cache) sendParts(ctx context.Context, up *remote.Upload, snap *snapshot, parts []part, have sentParts) (remote.Object, error) {
	sent := make([]remote.Part, len(parts))
	snap.s.progress.reset()
	g, partCtx := errgroup.WithContext(ctx)
	g.SetLimit(uploadsMost)
	for i, part := range parts {
		if partCtx.Err() != nil {
			break
		}
		g.Go(func() error {
			var err error
			sent[i], err = c.sendPart(partCtx, up, snap, part, have)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return remote.Object{}, err
	}
	if err := c.chooseACL(ctx, snap); err != nil { // again: it may have taken long
		return remote.Object{}, err
	}
	if err := c.checkBase(ctx, snap); err != nil {
		return remote.Object{}, err
	}
	etag, _ := remote.CombinedETag(sent)
	defer c.sends.begin(c.keyOf(snap.name), etag)()
	snap.noteSending(etag)
	c.keepOrder(c.keyOf(snap.name))
	step("complete")
	o, err := up.Complete(ctx, sent)
	step("complete-done")
	return o, err
}

// sendPart sends a part, unless the service has these very bytes.
func (c *Cache) sendPart(ctx context.Context, up *remote.Upload, snap *snapshot, p part, has sentParts) (remote.Part, error) {
	have := has.recorded[p.number]
	if e := has.early[p.number]; e != nil {
		if sent, ok := e.take(ctx, snap, p.size); ok {
			snap.s.progress.add(p.size)
			return sent, nil
		}
		have = recordedPart{}
	}
	if err := c.uploads.acquire(ctx); err != nil {
		return remote.Part{}, err
	}
	defer c.uploads.done(p.size)
	if !snap.diverted && snap.isBaseAt(p.off, p.size) && c.client.Findings().PartCopy { // checkBase sees whether it was another version's
		sent, err := up.CopyPart(ctx, p.number, snap.base, p.off, p.size)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return sent, errRemovedElsewhere()
		case !errors.Is(err, errors.ErrUnsupported):
			return partSent(up, snap.s, sent, err)
		}
	}
	if p.size > maxBuffered {
		sent, err := up.Part(ctx, p.number, io.NewSectionReader(snap, p.off, p.size), p.size)
		return partSent(up, snap.s, sent, err)
	}
	body, free, err := c.buffer(ctx, &snap.view, p.off, p.size)
	if err != nil {
		return remote.Part{}, err
	}
	defer free()
	if have.Size == p.size && have.ETag != "" {
		if sum := md5.Sum(body); string(have.ETag) == hex.EncodeToString(sum[:]) {
			snap.s.progress.add(p.size)
			return remote.Part{Number: p.number, ETag: have.ETag, Size: p.size}, nil
		}
	}
	sent, err := up.Part(ctx, p.number, remote.Memory(body), p.size)
	return partSent(up, snap.s, sent, err)
}

func partSent(up *remote.Upload, s *Staged, sent remote.Part, err error) (remote.Part, error) {
	if err != nil {
		return sent, err
	}
	step("part")
	s.notePart(up.ID(), recordedPart{sent.Number, sent.ETag, sent.Size})
	step("part-noted")
	s.progress.add(sent.Size)
	return sent, nil
}

// rescued is the error of a commit whose base has changed, with the whole new
// content.
type rescued struct {
	err  error
	body []byte
}

func (r *rescued) Error() string { return r.err.Error() }
func (r *rescued) Unwrap() error { return r.err }

// bodyOf returns the content that err has rescued, or nil.
func bodyOf(err error) []byte {
	var r *rescued
	if errors.As(err, &r) {
		return r.body
	}
	return nil
}
