package remote_test

import (
	"io/fs"
	"maps"
	"strings"
	"testing"
	"time"

	"ncloudfs/remote"
)

func TestPutThenHeadAndGetDescribeTheSameVersion(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		c, p := s.alice(t), remote.Path{Bucket: s.bucket(t), Key: "dir/file"}
		meta := remote.Meta{"mode": "33188", "mtime": "1700000000.123456789", "long-name": strings.Repeat("v", 500)}
		stored := put(t, c, p, "hello", remote.PutOptions{ContentType: "text/plain", Meta: meta})
		equal(t, "ETag", stored.ETag, md5Of([]byte("hello")))

		o, err := c.Head(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		body, err := c.Get(t.Context(), p, remote.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		_ = body.Close()
		for what, got := range map[string]remote.Object{"Put": stored, "Head": o, "Get": body.Object} {
			equal(t, what+" path", got.Path, p)
			equal(t, what+" size", got.Size, 5)
			equal(t, what+" ETag", got.ETag, stored.ETag)
			equal(t, what+" type", got.ContentType, "text/plain")
			equal(t, what+" HasMeta", got.HasMeta, true)
			if !maps.Equal(got.Meta, meta) {
				t.Errorf("%s: metadata %v, want %v", what, got.Meta, meta)
			}
			if d := time.Since(got.ModTime).Abs(); d > time.Minute {
				t.Errorf("%s: ModTime %v is %v off", what, got.ModTime, d)
			}
		}
		equal(t, "ModTime of Get and Head", body.Object.ModTime, o.ModTime)
		equal(t, "Head's whole seconds", o.ModTime.Nanosecond(), 0)
	})
}

func TestContentTypeDefaultsToOctetStream(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		c, p := s.alice(t), remote.Path{Bucket: s.bucket(t), Key: "f"}
		put(t, c, p, "x", remote.PutOptions{})
		o, err := c.Head(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "type", o.ContentType, "application/octet-stream")
	})
}

func TestEmptyObject(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		c, p := s.alice(t), remote.Path{Bucket: s.bucket(t), Key: "dir/"}
		put(t, c, p, "", remote.PutOptions{ContentType: "application/x-directory"})
		equal(t, "content", get(t, c, p), "")
		equal(t, "a range of it", getRange(t, c, p, remote.GetOptions{Length: 10}), "")
	})
}

// Metadata goes out and comes back as the bytes it is, UTF-8 too; NAVER
// documents no encoding. What HTTP itself would change is refused.
func TestMetadataValues(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		c, p := s.alice(t), remote.Path{Bucket: s.bucket(t), Key: "f"}
		meta := remote.Meta{"hangul": "한글 이름", "emoji": "😀", "percent": "a%20b+c", "equals": "a=b;c,d", "two": "a  b"}
		put(t, c, p, "x", remote.PutOptions{Meta: meta})
		o, err := c.Head(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(o.Meta, meta) {
			t.Errorf("got %q, want %q", o.Meta, meta)
		}
		for _, bad := range []string{" a", "a ", "a\nb", "a\x00b", "a\x7fb", "a\tb"} {
			_, err := c.Put(t.Context(), p, strings.NewReader(""), 0, remote.PutOptions{Meta: remote.Meta{"bad": bad}})
			wantCode(t, "metadata "+bad, err, remote.InvalidArgument, nil)
		}
		for _, bad := range []string{"a b", "한글", "a:b", "a\n"} {
			_, err := c.Put(t.Context(), p, strings.NewReader(""), 0, remote.PutOptions{Meta: remote.Meta{bad: "x"}})
			wantCode(t, "metadata name "+bad, err, remote.InvalidArgument, nil)
		}
	})
}

func TestMetadataTooLarge(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		c, p := s.alice(t), remote.Path{Bucket: s.bucket(t), Key: "f"}
		_, err := c.Put(t.Context(), p, strings.NewReader(""), 0,
			remote.PutOptions{Meta: remote.Meta{"a": strings.Repeat("v", 1500), "b": strings.Repeat("v", 1500)}})
		if s.ceph { // takes more; NAVER's error table has MetadataTooLarge
			if err != nil {
				t.Error(err)
			}
			return
		}
		wantCode(t, "3000 bytes", err, remote.MetadataTooLarge, remote.ErrTooLarge)
	})
}

func TestGetRanges(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		c, p := s.alice(t), remote.Path{Bucket: s.bucket(t), Key: "f"}
		o := put(t, c, p, "0123456789", remote.PutOptions{})
		for _, test := range []struct {
			offset, length int64
			want           string
		}{
			{0, 0, "0123456789"}, {0, 1, "0"}, {3, 4, "3456"}, {9, 1, "9"}, {5, 0, "56789"},
			{8, 100, "89"}, {0, 100, "0123456789"}, {10, 0, ""}, {10, 5, ""}, {1 << 40, 1, ""},
		} {
			for _, etag := range []remote.ETag{"", o.ETag} {
				options := remote.GetOptions{Offset: test.offset, Length: test.length, IfMatch: etag}
				equal(t, "range", getRange(t, c, p, options), test.want)
				body, err := c.Get(t.Context(), p, options)
				if err != nil {
					t.Fatal(err)
				}
				equal(t, "size of the whole", body.Object.Size, 10)
				equal(t, "ETag", body.Object.ETag, o.ETag)
				_ = body.Close()
			}
		}
		_, err := c.Get(t.Context(), p, remote.GetOptions{Offset: -1})
		wantCode(t, "negative offset", err, remote.InvalidArgument, nil)
	})
}

// GET with If-Match of another version is ErrChanged, also past its end.
func TestGetIfMatch(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		c, p := s.alice(t), remote.Path{Bucket: s.bucket(t), Key: "f"}
		old := put(t, c, p, "old content", remote.PutOptions{})
		put(t, c, p, "new", remote.PutOptions{})
		for _, offset := range []int64{0, 2, 5, 100} {
			_, err := c.Get(t.Context(), p, remote.GetOptions{Offset: offset, Length: 2, IfMatch: old.ETag})
			wantCode(t, "old version", err, remote.PreconditionFailed, remote.ErrChanged)
		}
		equal(t, "any version", getRange(t, c, p, remote.GetOptions{Offset: 1, Length: 5}), "ew")
	})
}

func TestBodyMayBeLeftUnread(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		c, p := s.alice(t), remote.Path{Bucket: s.bucket(t), Key: "f"}
		content := string(random(1, 3<<20))
		put(t, c, p, content, remote.PutOptions{})
		for range 3 {
			body, err := c.Get(t.Context(), p, remote.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := body.Read(make([]byte, 10)); err != nil {
				t.Fatal(err)
			}
			_ = body.Close()
		}
		equal(t, "whole content after all", get(t, c, p) == content, true)
	})
}

func TestOverwriteIsSeenAtOnce(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		c, p := s.alice(t), remote.Path{Bucket: s.bucket(t), Key: "f"}
		for _, content := range []string{"one", "", "three", strings.Repeat("x", 100_000)} {
			put(t, c, p, content, remote.PutOptions{})
			equal(t, "content", get(t, c, p), content)
			page, err := c.ListPage(t.Context(), remote.ListOptions{Bucket: p.Bucket})
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "entries", len(page.Objects), 1)
			equal(t, "listed size", page.Objects[0].Size, int64(len(content)))
			equal(t, "listed ETag", page.Objects[0].ETag, md5Of([]byte(content)))
		}
	})
}

func TestAbsentObjectAndBucket(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		c, bucket := s.alice(t), s.bucket(t)
		absent := remote.Path{Bucket: bucket, Key: "absent"}
		_, err := c.Head(t.Context(), absent)
		wantCode(t, "Head", err, remote.NoSuchKey, fs.ErrNotExist)
		_, err = c.Get(t.Context(), absent, remote.GetOptions{})
		wantCode(t, "Get", err, remote.NoSuchKey, fs.ErrNotExist)
		_, err = c.Copy(t.Context(), absent, absent, remote.CopyOptions{Replace: true})
		wantCode(t, "Copy", err, remote.NoSuchKey, fs.ErrNotExist)
		if err := c.Delete(t.Context(), absent); err != nil {
			t.Errorf("Delete: %v", err)
		}

		nowhere := remote.Path{Bucket: bucket + "-absent", Key: "f"}
		_, err = c.Get(t.Context(), nowhere, remote.GetOptions{})
		wantCode(t, "Get", err, remote.NoSuchBucket, fs.ErrNotExist)
		_, err = c.Put(t.Context(), nowhere, strings.NewReader("x"), 1, remote.PutOptions{})
		wantCode(t, "Put", err, remote.NoSuchBucket, fs.ErrNotExist)
		_, err = c.ListPage(t.Context(), remote.ListOptions{Bucket: nowhere.Bucket})
		wantCode(t, "ListPage", err, remote.NoSuchBucket, fs.ErrNotExist)
		wantCode(t, "Delete", c.Delete(t.Context(), nowhere), remote.NoSuchBucket, fs.ErrNotExist)
		wantCode(t, "HeadBucket", c.HeadBucket(t.Context(), nowhere.Bucket), remote.NoSuchBucket, fs.ErrNotExist)
	})
}

// An operation on an object never turns into one on its bucket.
func TestEmptyNamesAreRefused(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		c, bucket := s.alice(t), s.bucket(t)
		noKey := remote.Path{Bucket: bucket}
		wantCode(t, "Delete", c.Delete(t.Context(), noKey), remote.UserKeyMustBeSpecified, nil)
		_, err := c.Get(t.Context(), noKey, remote.GetOptions{})
		wantCode(t, "Get", err, remote.UserKeyMustBeSpecified, nil)
		_, err = c.Put(t.Context(), noKey, strings.NewReader(""), 0, remote.PutOptions{})
		wantCode(t, "Put", err, remote.UserKeyMustBeSpecified, nil)
		_, err = c.Copy(t.Context(), noKey, remote.Path{Bucket: bucket, Key: "a"}, remote.CopyOptions{})
		wantCode(t, "Copy", err, remote.UserKeyMustBeSpecified, nil)
		_, err = c.ListPage(t.Context(), remote.ListOptions{})
		wantCode(t, "ListPage", err, remote.InvalidBucketName, nil)
		wantCode(t, "RemoveBucket", c.RemoveBucket(t.Context(), ""), remote.InvalidBucketName, nil)
		if err := c.HeadBucket(t.Context(), bucket); err != nil {
			t.Errorf("the bucket: %v", err)
		}
	})
}
