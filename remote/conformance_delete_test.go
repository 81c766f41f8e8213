package remote_test

import (
	"fmt"
	"io/fs"
	"testing"

	"ncloudfs/remote"
)

func TestDelete(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		c, p := s.alice(t), remote.Path{Bucket: s.bucket(t), Key: "f"}
		put(t, c, p, "x", remote.PutOptions{})
		for range 2 { // the second time it is absent, which is no error
			if err := c.Delete(t.Context(), p); err != nil {
				t.Error(err)
			}
			_, err := c.Head(t.Context(), p)
			wantCode(t, "Head", err, remote.NoSuchKey, fs.ErrNotExist)
		}
	})
}

// More keys than one request takes, some of them absent, some twice.
func TestDeleteMany(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		c, bucket := s.alice(t), s.bucket(t)
		fill(t, c, bucket, []string{"a&b", "b<c", "c\td", "control\x01", "keep"})
		keys := []string{"a&b", "a&b", "b<c", "c\td", "control\x01"}
		for i := range 1100 {
			keys = append(keys, fmt.Sprintf("absent%04d", i))
		}
		failed, err := c.DeleteMany(t.Context(), bucket, keys)
		if err != nil || len(failed) > 0 {
			t.Errorf("%v %v", failed, err)
		}
		got, _, _ := listAll(t, c, remote.ListOptions{Bucket: bucket})
		equalSlices(t, "what is left", got, []string{"keep"})
		failed, err = c.DeleteMany(t.Context(), bucket, nil)
		if err != nil || len(failed) > 0 {
			t.Errorf("nothing to delete: %v %v", failed, err)
		}
	})
}

func TestDeleteManyWithoutPermission(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		c, bucket := s.alice(t), s.bucket(t)
		fill(t, c, bucket, []string{"a", "b"})
		failed, err := s.bob(t).DeleteMany(t.Context(), bucket, []string{"a", "b"})
		if len(failed) != 2 {
			t.Errorf("%v %v", failed, err)
		}
		for key, err := range failed {
			wantCode(t, key, err, remote.AccessDenied, fs.ErrPermission)
		}
		got, _, _ := listAll(t, c, remote.ListOptions{Bucket: bucket})
		equalSlices(t, "what is left", got, []string{"a", "b"})
	})
}

func TestDeleteManyInAnAbsentBucket(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		failed, err := s.alice(t).DeleteMany(t.Context(), "absent-bucket-of-nobody", []string{"a", "b"})
		wantCode(t, "the call", err, remote.NoSuchBucket, fs.ErrNotExist)
		equal(t, "keys not known to be gone", len(failed), 2)
	})
}
