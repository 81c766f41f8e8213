package remote_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"ncloudfs/remote"
)

// TestAccountHasTheKeysOfItsBuckets: every operation on an object and a listing
// takes a path of Account, and answers with such paths.
func TestAccountHasTheKeysOfItsBuckets(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		c, one, two := s.alice(t), s.bucket(t), s.bucket(t)
		in := func(bucket, key string) remote.Path {
			return remote.Path{Bucket: remote.Account, Key: bucket + "/" + key}
		}
		keys := []string{"a +%", "dir/b", "dir/c", "한글"}
		for _, key := range keys {
			put(t, c, in(one, key), key, remote.PutOptions{})
		}
		if _, err := c.Head(t.Context(), remote.Path{Bucket: one, Key: "dir/b"}); err != nil {
			t.Error(err)
		}
		if o, err := c.Copy(t.Context(), in(two, "copy"), in(one, "dir/b"), remote.CopyOptions{}); err != nil || o.Path != in(two, "copy") {
			t.Errorf("%+v, %v", o, err)
		}
		var listed []string
		for page, err := range c.List(t.Context(), remote.ListOptions{Bucket: remote.Account, Prefix: one + "/", MaxKeys: 1}) {
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range page.Objects {
				listed = append(listed, strings.TrimPrefix(o.Path.Key, one+"/"))
			}
		}
		if !slices.Equal(listed, keys) {
			t.Errorf("listed %q", listed)
		}
		page, err := c.ListPage(t.Context(), remote.ListOptions{Bucket: remote.Account, Delimiter: "/"})
		if err != nil || !slices.Contains(page.Prefixes, one+"/") || !slices.Contains(page.Prefixes, two+"/") {
			t.Errorf("buckets: %+v, %v", page, err)
		}
		if page, err = c.ListPage(t.Context(), remote.ListOptions{Bucket: remote.Account, Prefix: one + "/", Marker: one + "0"}); err != nil || len(page.Objects) != 0 {
			t.Errorf("after the bucket: %+v, %v", page, err)
		}
		_, err = c.ListPage(t.Context(), remote.ListOptions{Bucket: remote.Account})
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("all keys: %v", err)
		}
		failed, err := c.DeleteMany(t.Context(), remote.Account, []string{one + "/dir/b", one + "/dir/c", two + "/copy"})
		if err != nil || len(failed) > 0 {
			t.Errorf("%v, %v", failed, err)
		}
		_, err = c.Head(t.Context(), in(two, "copy"))
		wantCode(t, "Head", err, remote.NoSuchKey, nil)
		for _, key := range []string{"", one, one + "/"} { // would be the bucket's operation
			_, err := c.Put(t.Context(), remote.Path{Bucket: remote.Account, Key: key}, strings.NewReader(""), 0, remote.PutOptions{})
			if err == nil {
				t.Errorf("an object is put to %q", key)
			}
		}
	})
}
