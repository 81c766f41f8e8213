package remote_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
	"ncloudfs/remote/emulator/emulatortest"
)

// fill stores an empty object for each key, several at once.
func fill(t *testing.T, c *remote.Client, bucket string, keys []string) {
	t.Helper()
	eachAtOnce(keys, func(key string) {
		if _, err := c.Put(t.Context(), remote.Path{Bucket: bucket, Key: key}, strings.NewReader(""), 0, remote.PutOptions{}); err != nil {
			t.Error(err)
		}
	})
}

// 2020 keys come in three pages of at most 1000, with and without delimiter.
func TestListPagesThroughThousands(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		c, bucket := s.alice(t), s.bucket(t)
		var keys, prefixes []string
		for i := range 1010 {
			keys = append(keys, fmt.Sprintf("p/%04d/file", i))
			prefixes = append(prefixes, fmt.Sprintf("p/%04d/", i))
		}
		for i := range 1010 {
			keys = append(keys, fmt.Sprintf("q%04d 한글", i))
		}
		fill(t, c, bucket, keys)

		got, _, pages := listAll(t, c, remote.ListOptions{Bucket: bucket})
		equalSlices(t, "keys", got, keys)
		equal(t, "pages", pages, 3)
		_, gotPrefixes, pages := listAll(t, c, remote.ListOptions{Bucket: bucket, Prefix: "p/", Delimiter: "/"})
		equalSlices(t, "pages of nothing but common prefixes", gotPrefixes, prefixes)
		equal(t, "pages", pages, 2)
		got, gotPrefixes, _ = listAll(t, c, remote.ListOptions{Bucket: bucket, Delimiter: "/", MaxKeys: 300})
		equalSlices(t, "keys at the top", got, keys[1010:])
		equalSlices(t, "prefixes at the top", gotPrefixes, []string{"p/"})

		failed, err := c.DeleteMany(t.Context(), bucket, keys)
		if err != nil || len(failed) > 0 {
			t.Errorf("DeleteMany of %d keys: %v %v", len(keys), failed, err)
		}
	})
}

func TestListDescribesObjects(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		c, bucket := s.alice(t), s.bucket(t)
		put(t, c, remote.Path{Bucket: bucket, Key: "f"}, "hello", remote.PutOptions{})
		head, err := c.Head(t.Context(), remote.Path{Bucket: bucket, Key: "f"})
		if err != nil {
			t.Fatal(err)
		}
		page, err := c.ListPage(t.Context(), remote.ListOptions{Bucket: bucket})
		if err != nil || len(page.Objects) != 1 {
			t.Fatalf("%+v %v", page, err)
		}
		o := page.Objects[0]
		equal(t, "path", o.Path, head.Path)
		equal(t, "size", o.Size, head.Size)
		equal(t, "ETag", o.ETag, head.ETag)
		equal(t, "ModTime in seconds", o.ModTime.Unix(), head.ModTime.Unix())
		equal(t, "HasMeta", o.HasMeta, false)
		equal(t, "Ordered", page.Ordered, true)
		equal(t, "Next", page.Next, "")
	})
}

func TestListMarkerIsExclusive(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		c, bucket := s.alice(t), s.bucket(t)
		fill(t, c, bucket, []string{"a", "b", "b/c", "b/d", "c", "가", "나"})
		for marker, want := range map[string][]string{
			"": {"a", "b", "b/c", "b/d", "c", "가", "나"}, "a": {"b", "b/c", "b/d", "c", "가", "나"},
			"b/c": {"b/d", "c", "가", "나"}, "b/cc": {"b/d", "c", "가", "나"}, "가": {"나"}, "나": nil, "\U0010ffff": nil,
		} {
			got, _, _ := listAll(t, c, remote.ListOptions{Bucket: bucket, Marker: marker})
			equalSlices(t, "after "+marker, got, want)
		}
		keys, prefixes, _ := listAll(t, c, remote.ListOptions{Bucket: bucket, Delimiter: "/", Marker: "b/"})
		equalSlices(t, "keys after a common prefix", keys, []string{"c", "가", "나"})
		equalSlices(t, "the common prefix is the marker", prefixes, nil)
	})
}

// A directory marker appears as an object in its own listing, and as a common
// prefix in its parent's.
func TestListDirectoryMarkers(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		c, bucket := s.alice(t), s.bucket(t)
		fill(t, c, bucket, []string{"d/", "d/e/", "d/e/f", "d/g"})
		for prefix, want := range map[string][2][]string{
			"":     {nil, {"d/"}},
			"d/":   {{"d/", "d/g"}, {"d/e/"}},
			"d/e/": {{"d/e/", "d/e/f"}, nil},
			"d":    {nil, {"d/"}},
			"x/":   {nil, nil},
		} {
			keys, prefixes, _ := listAll(t, c, remote.ListOptions{Bucket: bucket, Prefix: prefix, Delimiter: "/"})
			equalSlices(t, "keys below "+prefix, keys, want[0])
			equalSlices(t, "prefixes below "+prefix, prefixes, want[1])
		}
	})
}

func TestListOfAnEmptyBucket(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		page, err := s.alice(t).ListPage(t.Context(), remote.ListOptions{Bucket: s.bucket(t), Delimiter: "/"})
		if err != nil || len(page.Objects)+len(page.Prefixes) != 0 || page.Next != "" || !page.Ordered {
			t.Errorf("%+v %v", page, err)
		}
	})
}

// A cancelled listing ends with an error: it never looks complete.
func TestListCancelledIsAnError(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		c, bucket := s.alice(t), s.bucket(t)
		fill(t, c, bucket, []string{"a", "b", "c"})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var last error
		pages := 0
		for _, err := range c.List(ctx, remote.ListOptions{Bucket: bucket, MaxKeys: 1}) {
			pages++
			last = err
			cancel()
		}
		if !errors.Is(last, context.Canceled) || pages != 2 {
			t.Errorf("%d pages, error %v", pages, last)
		}
	})
}

// NAVER's documentation leaves open when NextMarker comes, and calls the order
// of entries arbitrary: every listing is complete in all cases.
func TestListWithoutPromises(t *testing.T) {
	t.Parallel()
	var keys, prefixes, top []string
	for i := range 40 {
		keys = append(keys, fmt.Sprintf("d%02d/f", i), fmt.Sprintf("e%02d", i))
		prefixes = append(prefixes, fmt.Sprintf("d%02d/", i))
		top = append(top, fmt.Sprintf("e%02d", i))
	}
	slices.Sort(keys)
	for _, o := range []emulator.Options{
		{NextMarker: emulator.NextMarkerNever},
		{NextMarker: emulator.NextMarkerWithDelimiter},
		{NextMarker: emulator.NextMarkerAlways},
		{NextMarker: emulator.NextMarkerAlways, ShufflePages: true},
		{NextMarker: emulator.NextMarkerNever, ShufflePages: true},
	} {
		t.Run(fmt.Sprintf("marker %d shuffle %v", o.NextMarker, o.ShufflePages), func(t *testing.T) {
			e := emulatortest.Start(t, o)
			s := &service{endpoint: e.URL, transport: newTransport(t), emulator: e}
			c, bucket := s.alice(t), s.bucket(t)
			fill(t, c, bucket, keys)
			got, _, _ := listAll(t, c, remote.ListOptions{Bucket: bucket, MaxKeys: 7})
			slices.Sort(got)
			equalSlices(t, "keys", got, keys)
			got, gotPrefixes, _ := listAll(t, c, remote.ListOptions{Bucket: bucket, Delimiter: "/", MaxKeys: 7})
			slices.Sort(got)
			slices.Sort(gotPrefixes)
			equalSlices(t, "keys at the top", got, top)
			equalSlices(t, "prefixes", gotPrefixes, prefixes)
			page, err := c.ListPage(t.Context(), remote.ListOptions{Bucket: bucket})
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "Ordered", page.Ordered, !o.ShufflePages)
		})
	}
}
