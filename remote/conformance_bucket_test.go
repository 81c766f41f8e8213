package remote_test

import (
	"io/fs"
	"slices"
	"testing"
	"time"

	"ncloudfs/remote"
)

func TestBuckets(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		c, name := s.alice(t), s.newName()
		if err := c.MakeBucket(t.Context(), name, remote.PublicRead); err != nil {
			t.Fatal(err)
		}
		wantCanned(t, c, remote.Path{Bucket: name}, remote.PublicRead)
		if err := c.HeadBucket(t.Context(), name); err != nil {
			t.Error(err)
		}
		of := func(c *remote.Client) *remote.Bucket {
			buckets, err := c.Buckets(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(buckets, func(b remote.Bucket) bool { return b.Name == name })
			if i < 0 {
				return nil
			}
			return &buckets[i]
		}
		b := of(c)
		if b == nil || time.Since(b.Created).Abs() > time.Minute {
			t.Errorf("in alice's list: %+v", b)
		}
		if b := of(s.bob(t)); b != nil {
			t.Errorf("in bob's list: %+v", b)
		}

		put(t, c, remote.Path{Bucket: name, Key: "f"}, "x", remote.PutOptions{})
		wantCode(t, "removing a full bucket", c.RemoveBucket(t.Context(), name), remote.BucketNotEmpty, nil)
		if err := c.Delete(t.Context(), remote.Path{Bucket: name, Key: "f"}); err != nil {
			t.Fatal(err)
		}
		wantCode(t, "bob removing it", s.bob(t).RemoveBucket(t.Context(), name), remote.AccessDenied, fs.ErrPermission)
		if err := c.RemoveBucket(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		wantCode(t, "removing it again", c.RemoveBucket(t.Context(), name), remote.NoSuchBucket, fs.ErrNotExist)
	})
}

func TestMakeBucketThatExists(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		name := s.bucket(t)
		wantCode(t, "bob making it", s.bob(t).MakeBucket(t.Context(), name, ""), remote.BucketAlreadyExists, fs.ErrExist)
		err := s.alice(t).MakeBucket(t.Context(), name, "")
		if s.ceph { // no error for the owner; NAVER's error table has only BucketAlreadyExists
			if err != nil {
				t.Error(err)
			}
			return
		}
		wantCode(t, "alice making it again", err, remote.BucketAlreadyExists, fs.ErrExist)
	})
}

func TestInvalidBucketName(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		for _, name := range []string{"a", "UPPER_case"} {
			err := s.alice(t).MakeBucket(t.Context(), name, "")
			wantCode(t, name, err, remote.InvalidBucketName, nil)
		}
	})
}
