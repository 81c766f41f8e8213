package remote_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"sync"
	"testing"

	"ncloudfs/remote"
)

const minPart = 5 << 20 // the smallest part but the last (NAVER, Multipart Upload: 5 MB)

func begin(t *testing.T, c *remote.Client, p remote.Path, o remote.PutOptions) *remote.Upload {
	t.Helper()
	u, err := c.Begin(t.Context(), p, o)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func sendPart(t *testing.T, u *remote.Upload, number int, content []byte) remote.Part {
	t.Helper()
	r, n := reader(content)
	part, err := u.Part(t.Context(), number, r, n)
	if err != nil {
		t.Fatal(err)
	}
	return part
}

// Parts are sent in any order, at once, and again; the object is what the
// last ones make, with the metadata of Begin.
func TestUpload(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		c, p := s.alice(t), remote.Path{Bucket: s.bucket(t), Key: "dir/big file"}
		meta := remote.Meta{"mode": "33188", "mtime": "1"}
		u := begin(t, c, p, remote.PutOptions{ContentType: "text/plain", Meta: meta, ACL: remote.PublicRead})
		contents := [][]byte{random(1, minPart), random(2, minPart+1), random(3, 77)}
		parts := make([]remote.Part, len(contents))
		sendPart(t, u, 2, random(9, minPart)) // replaced below
		var wg sync.WaitGroup
		for i := range contents {
			wg.Go(func() {
				r, n := reader(contents[i])
				var err error
				if parts[i], err = u.Part(t.Context(), i+1, r, n); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for i, part := range parts {
			equal(t, "part's ETag", part.ETag, md5Of(contents[i]))
			equal(t, "part's size", part.Size, int64(len(contents[i])))
			equal(t, "part's number", part.Number, i+1)
		}
		if _, err := c.Head(t.Context(), p); err == nil {
			t.Error("the object is there before Complete")
		}
		done, err := u.Complete(t.Context(), parts)
		if err != nil {
			t.Fatal(err)
		}
		o, err := c.Head(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		whole := bytes.Join(contents, nil)
		for _, got := range []remote.Object{done, o} {
			equal(t, "size", got.Size, int64(len(whole)))
			equal(t, "ETag", got.ETag, done.ETag)
			equal(t, "Multipart", got.ETag.Multipart(), true)
			equal(t, "type", got.ContentType, "text/plain")
			if !maps.Equal(got.Meta, meta) {
				t.Errorf("metadata: got %v, want %v", got.Meta, meta)
			}
		}
		equal(t, "content", get(t, c, p) == string(whole), true)
		wantCanned(t, c, p, remote.PublicRead)
		equal(t, "across parts", getRange(t, c, p, remote.GetOptions{Offset: minPart - 3, Length: 6}), string(whole[minPart-3:minPart+3]))
	})
}

// An upload goes on under its id alone, as after a restart.
func TestUploadResumed(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		c, p := s.alice(t), remote.Path{Bucket: s.bucket(t), Key: "f"}
		u := begin(t, c, p, remote.PutOptions{Meta: remote.Meta{"a": "b"}})
		first := sendPart(t, u, 1, random(1, minPart))
		again := s.alice(t).Resume(p, u.ID(), remote.PutOptions{Meta: remote.Meta{"a": "b"}})
		last := sendPart(t, again, 2, []byte("end"))
		o, err := again.Complete(t.Context(), []remote.Part{first, last})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "HasMeta", o.HasMeta, true)
		equal(t, "metadata", o.Meta["a"], "b")
		o, err = c.Head(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "metadata", o.Meta["a"], "b")
		equal(t, "size", o.Size, minPart+3)
	})
}

func TestUploadAborted(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		c, p := s.alice(t), remote.Path{Bucket: s.bucket(t), Key: "f"}
		u := begin(t, c, p, remote.PutOptions{})
		part := sendPart(t, u, 1, []byte("x"))
		for range 2 { // the second time there is none, which is no error
			if err := u.Abort(t.Context()); err != nil {
				t.Error(err)
			}
		}
		r, n := reader([]byte("x"))
		_, err := u.Part(t.Context(), 1, r, n)
		wantCode(t, "Part", err, remote.NoSuchUpload, nil)
		if !s.ceph { // InternalError, "This multipart completion is already in progress"
			_, err = u.Complete(t.Context(), []remote.Part{part})
			wantCode(t, "Complete", err, remote.NoSuchUpload, nil)
		}
		_, err = c.Head(t.Context(), p)
		wantCode(t, "Head", err, remote.NoSuchKey, fs.ErrNotExist)
	})
}

func TestUploadRules(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		c, p := s.alice(t), remote.Path{Bucket: s.bucket(t), Key: "f"}
		big := random(1, minPart)
		for what, test := range map[string]struct {
			contents [][]byte
			edit     func(parts []remote.Part) []remote.Part
			code     remote.Code
		}{
			"a small part that is not the last": {[][]byte{[]byte("small"), big}, nil, remote.EntityTooSmall},
			"not in order": {[][]byte{big, big}, func(p []remote.Part) []remote.Part {
				return []remote.Part{p[1], p[0]}
			}, remote.InvalidPartOrder},
			"a part that was not sent": {[][]byte{big}, func(p []remote.Part) []remote.Part {
				return append(p, remote.Part{Number: 9, ETag: p[0].ETag})
			}, remote.InvalidPart},
			"another ETag": {[][]byte{big, []byte("end")}, func(p []remote.Part) []remote.Part {
				p[1].ETag = p[0].ETag
				return p
			}, remote.InvalidPart},
			"no parts": {nil, nil, remote.InvalidArgument},
		} {
			u := begin(t, c, p, remote.PutOptions{})
			var parts []remote.Part
			for i, content := range test.contents {
				parts = append(parts, sendPart(t, u, i+1, content))
			}
			if test.edit != nil {
				parts = test.edit(parts)
			}
			_, err := u.Complete(t.Context(), parts)
			if s.ceph && test.code == remote.InvalidPartOrder { // sorts them; NAVER has the code
				continue
			}
			wantCode(t, what, err, test.code, nil)
			if err := u.Abort(t.Context()); err != nil {
				t.Errorf("%s: Abort: %v", what, err)
			}
		}
		u := begin(t, c, p, remote.PutOptions{})
		for _, number := range []int{0, -1, remote.MaxParts + 1} {
			r, n := reader([]byte("x"))
			_, err := u.Part(t.Context(), number, r, n)
			wantCode(t, fmt.Sprint("part ", number), err, remote.InvalidArgument, nil)
		}
	})
}

// Numbers of parts may have gaps, as a plan with parts to spare leaves them.
func TestUploadPartNumbersMayHaveGaps(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		c, p := s.alice(t), remote.Path{Bucket: s.bucket(t), Key: "f"}
		u := begin(t, c, p, remote.PutOptions{})
		parts := []remote.Part{sendPart(t, u, 3, random(1, minPart)), sendPart(t, u, remote.MaxParts, []byte("end"))}
		o, err := u.Complete(t.Context(), parts)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "size", o.Size, minPart+3)
		equal(t, "content", get(t, c, p) == string(random(1, minPart))+"end", true)
	})
}

func TestUploadsAreListed(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		c, bucket := s.alice(t), s.bucket(t)
		want := map[string]string{} // id to key
		for _, key := range []string{"a b", "a+b%", "dir/한글", "dir/한글", "z"} {
			want[begin(t, c, remote.Path{Bucket: bucket, Key: key}, remote.PutOptions{}).ID()] = key
		}
		got := map[string]string{}
		for u, err := range c.Uploads(t.Context(), bucket, "") {
			if err != nil {
				t.Fatal(err)
			}
			got[u.ID] = u.Path.Key
			if u.Initiated.IsZero() || u.Owner == "" || u.Path.Bucket != bucket {
				t.Errorf("%+v", u)
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		n := 0
		for u, err := range c.Uploads(t.Context(), bucket, "dir/") {
			if err != nil || u.Path.Key != "dir/한글" {
				t.Errorf("%+v %v", u, err)
			}
			n++
		}
		equal(t, "below dir/", n, 2)
	})
}

// More uploads than one page: 1000 of different keys, and several of one key
// across the page's end.
func TestUploadsPage(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		c, bucket := s.alice(t), s.bucket(t)
		var keys []string
		for i := range 998 {
			keys = append(keys, fmt.Sprintf("k%04d", i))
		}
		for range 5 {
			keys = append(keys, "same")
		}
		eachAtOnce(keys, func(key string) {
			if _, err := c.Begin(t.Context(), remote.Path{Bucket: bucket, Key: key}, remote.PutOptions{}); err != nil {
				t.Error(err)
			}
		})
		var got []string
		ids := map[string]bool{}
		for u, err := range c.Uploads(t.Context(), bucket, "") {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, u.Path.Key)
			ids[u.ID] = true
		}
		slices.Sort(got)
		equalSlices(t, "keys", got, keys)
		equal(t, "ids", len(ids), len(keys))
	})
}
