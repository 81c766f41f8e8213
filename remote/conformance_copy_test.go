package remote_test

import (
	"io/fs"
	"maps"
	"strings"
	"testing"

	"ncloudfs/remote"
)

func TestCopyKeepsOrReplacesMetadata(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		c, bucket := s.alice(t), s.bucket(t)
		src, dst := remote.Path{Bucket: bucket, Key: "a b/한글+%"}, remote.Path{Bucket: bucket, Key: "copy"}
		stored := put(t, c, src, "content", remote.PutOptions{ContentType: "text/plain", Meta: remote.Meta{"mode": "1"}})

		kept, err := c.Copy(t.Context(), dst, src, remote.CopyOptions{IfMatch: stored.ETag})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "ETag", kept.ETag, stored.ETag)
		equal(t, "size is not told", kept.Size, -1)
		o, err := c.Head(t.Context(), dst)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "type", o.ContentType, "text/plain")
		equal(t, "mode", o.Meta["mode"], "1")
		equal(t, "ModTime in seconds", kept.ModTime.Unix(), o.ModTime.Unix())

		meta := remote.Meta{"uid": "0"}
		replaced, err := c.Copy(t.Context(), dst, src, remote.CopyOptions{Replace: true, Meta: meta, ContentType: "text/html"})
		if err != nil {
			t.Fatal(err)
		}
		if o, err = c.Head(t.Context(), dst); err != nil {
			t.Fatal(err)
		}
		for _, got := range []remote.Object{replaced, o} {
			equal(t, "type", got.ContentType, "text/html")
			if !maps.Equal(got.Meta, meta) {
				t.Errorf("metadata: got %v, want %v", got.Meta, meta)
			}
		}
		equal(t, "content", get(t, c, dst), "content")
	})
}

// A copy onto itself changes metadata and keeps content and single-part ETag.
func TestCopyOntoItself(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		c, p := s.alice(t), remote.Path{Bucket: s.bucket(t), Key: "f"}
		stored := put(t, c, p, "content", remote.PutOptions{Meta: remote.Meta{"mode": "1"}})
		o, err := c.Copy(t.Context(), p, p, remote.CopyOptions{IfMatch: stored.ETag, Replace: true, Meta: remote.Meta{"mode": "2"}})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "ETag", o.ETag, stored.ETag)
		if o, err = c.Head(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		equal(t, "mode", o.Meta["mode"], "2")
		equal(t, "content", get(t, c, p), "content")
		_, err = c.Copy(t.Context(), p, p, remote.CopyOptions{})
		wantCode(t, "copy onto itself that changes nothing", err, remote.InvalidRequest, nil)
	})
}

func TestCopyIfMatch(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		c, bucket := s.alice(t), s.bucket(t)
		src, dst := remote.Path{Bucket: bucket, Key: "a"}, remote.Path{Bucket: bucket, Key: "b"}
		old := put(t, c, src, "old", remote.PutOptions{})
		put(t, c, src, "new", remote.PutOptions{})
		_, err := c.Copy(t.Context(), dst, src, remote.CopyOptions{IfMatch: old.ETag})
		wantCode(t, "Copy", err, remote.PreconditionFailed, remote.ErrChanged)
		if s.ceph { // knows only x-amz-copy-if-match and copied; NAVER documents x-amz-copy-source-if-match
			return
		}
		_, err = c.Head(t.Context(), dst)
		wantCode(t, "the copy", err, remote.NoSuchKey, fs.ErrNotExist)
	})
}

func TestCopyBetweenBuckets(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		c := s.alice(t)
		src, dst := remote.Path{Bucket: s.bucket(t), Key: "a"}, remote.Path{Bucket: s.bucket(t), Key: "b"}
		content := strings.Repeat("0123456789", 100_000)
		put(t, c, src, content, remote.PutOptions{})
		if _, err := c.Copy(t.Context(), dst, src, remote.CopyOptions{}); err != nil {
			t.Fatal(err)
		}
		equal(t, "content", get(t, c, dst) == content, true)
	})
}

// The ACL is not copied, and an overwrite begins with the default one (NAVER,
// PUT Object Copy: "the copy is private").
func TestCopyAndOverwriteLoseTheACL(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		c, bucket := s.alice(t), s.bucket(t)
		src, dst := remote.Path{Bucket: bucket, Key: "a"}, remote.Path{Bucket: bucket, Key: "b"}
		put(t, c, src, "x", remote.PutOptions{ACL: remote.PublicRead})
		wantCanned(t, c, src, remote.PublicRead)
		if _, err := c.Copy(t.Context(), dst, src, remote.CopyOptions{}); err != nil {
			t.Fatal(err)
		}
		wantCanned(t, c, dst, remote.Private)
		if _, err := c.Copy(t.Context(), dst, src, remote.CopyOptions{ACL: remote.PublicRead}); err != nil {
			t.Fatal(err)
		}
		wantCanned(t, c, dst, remote.PublicRead)
		put(t, c, src, "y", remote.PutOptions{})
		wantCanned(t, c, src, remote.Private)
	})
}
