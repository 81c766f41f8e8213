package emulator_test

import (
	"encoding/xml"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"ncloudfs/remote/emulator"
	"ncloudfs/remote/emulator/emulatortest"
)

type listResult struct {
	Name, Prefix, Marker, NextMarker, Delimiter, EncodingType string
	MaxKeys                                                   int
	IsTruncated                                               bool
	Contents                                                  []struct {
		Key, LastModified, ETag, StorageClass string
		Size                                  int64
		Owner                                 struct{ ID string }
	}
	CommonPrefixes []struct{ Prefix string }
}

func list(t *testing.T, s *emulatortest.Server, query ...string) listResult {
	t.Helper()
	q := url.Values{}
	for i := 0; i < len(query); i += 2 {
		q.Set(query[i], query[i+1])
	}
	r := must(t, s, call{method: "GET", path: "/bucket?" + strings.ReplaceAll(q.Encode(), "+", "%20")})
	var l listResult
	if err := xml.Unmarshal([]byte(r.body), &l); err != nil {
		t.Fatalf("%v: %s", err, r.body)
	}
	return l
}

func (l listResult) names() string {
	var out []string
	for _, c := range l.Contents {
		out = append(out, c.Key)
	}
	for _, p := range l.CommonPrefixes {
		out = append(out, p.Prefix)
	}
	return strings.Join(out, " ")
}

// NAVER's List Objects: prefix, delimiter, marker, max-keys, encoding-type.
func TestListing(t *testing.T) {
	s := withBucket(t, emulator.Options{})
	for _, key := range []string{"b", "a", "dir/x", "dir/y", "dir/sub/z", "dir.txt", "한글", "Z"} {
		put(t, s, "/bucket/"+url.PathEscape(key), key)
	}
	for _, c := range []struct {
		query []string
		want  string
		more  bool
	}{
		{nil, "Z a b dir.txt dir/sub/z dir/x dir/y 한글", false},
		{[]string{"delimiter", "/"}, "Z a b dir.txt 한글 dir/", false},
		{[]string{"delimiter", "/", "prefix", "dir/"}, "dir/x dir/y dir/sub/", false},
		{[]string{"prefix", "dir"}, "dir.txt dir/sub/z dir/x dir/y", false},
		{[]string{"prefix", "dir", "delimiter", "/"}, "dir.txt dir/", false},
		{[]string{"marker", "dir.txt"}, "dir/sub/z dir/x dir/y 한글", false},
		{[]string{"marker", "dir/", "delimiter", "/"}, "한글", false},
		{[]string{"marker", "dir/sub/z", "delimiter", "/"}, "한글", false},
		{[]string{"marker", "b", "max-keys", "2"}, "dir.txt dir/sub/z", true},
		{[]string{"max-keys", "0"}, "", false},
		{[]string{"max-keys", "8"}, "Z a b dir.txt dir/sub/z dir/x dir/y 한글", false},
		{[]string{"prefix", "none"}, "", false},
		{[]string{"delimiter", "."}, "Z a b dir/sub/z dir/x dir/y 한글 dir.", false},
	} {
		l := list(t, s, c.query...)
		if l.names() != c.want || l.IsTruncated != c.more {
			t.Errorf("%v: got %q (more %v), want %q (%v)", c.query, l.names(), l.IsTruncated, c.want, c.more)
		}
	}
	wantCode(t, s, call{method: "GET", path: "/bucket?max-keys=x"}, 400, "InvalidArgument")
	wantCode(t, s, call{method: "GET", path: "/bucket?encoding-type=base64"}, 400, "InvalidArgument")
}

// NAVER's examples: milliseconds in lists (whole seconds in HEAD).
func TestListingDescribesObjects(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Second).Add(123_456_789)
	s := withBucket(t, emulator.Options{Clock: at(now)})
	put(t, s, "/bucket/key", "hello")
	l := list(t, s)
	c := l.Contents[0]
	if c.LastModified != now.Format("2006-01-02T15:04:05.000Z") || c.ETag != `"`+hexMD5("hello")+`"` || c.Size != 5 ||
		c.Owner.ID != emulatortest.Alice().ID || c.StorageClass != "STANDARD" || l.Name != "bucket" || l.MaxKeys != 1000 {
		t.Errorf("got %+v", l)
	}
}

func TestListingEncodesNamesAsAsked(t *testing.T) {
	s := emulatortest.Start(t, emulator.Options{})
	makeOpenBucket(t, s) // minio-go's signer cannot sign what is not UTF-8
	keys := []string{"\x01control", "a b+c&d%e", "bad\xffutf8", "dir/\x02/x"}
	for _, key := range keys {
		must(t, s, call{method: "PUT", path: "/bucket/" + url.PathEscape(key), anonymous: true})
	}
	var got []string
	for _, c := range list(t, s, "encoding-type", "url").Contents {
		key, err := url.QueryUnescape(c.Key)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, key)
	}
	if !slices.Equal(got, keys) {
		t.Errorf("got %q, want %q", got, keys)
	}
	l := list(t, s, "encoding-type", "url", "prefix", "dir/", "delimiter", "/")
	if l.EncodingType != "url" || l.Prefix != "dir/" || l.names() != "dir/%02/" {
		t.Errorf("got %+v", l)
	}
}

func TestPagesOfAtMostThousandCoverTheBucket(t *testing.T) {
	for _, o := range []emulator.Options{{}, {NextMarker: emulator.NextMarkerNever}, {NextMarker: emulator.NextMarkerAlways}, {ShufflePages: true}} {
		t.Run(fmt.Sprintf("%d %v", o.NextMarker, o.ShufflePages), func(t *testing.T) {
			s := withBucket(t, o)
			for i := range 1100 {
				put(t, s, fmt.Sprintf("/bucket/%04d/f", i), "")
			}
			for _, delimiter := range []string{"", "/"} {
				seen, marker, pages := map[string]bool{}, "", 0
				for more := true; more; pages++ {
					l := list(t, s, "marker", marker, "delimiter", delimiter, "max-keys", "5000")
					names := strings.Fields(l.names())
					if len(names) > 1000 || l.MaxKeys != 1000 {
						t.Fatalf("a page of %d", len(names))
					}
					if pages == 0 && slices.IsSorted(names) == o.ShufflePages {
						t.Errorf("sorted: %v", !o.ShufflePages)
					}
					for _, n := range names {
						seen[n] = true
					}
					more = l.IsTruncated
					gives := more && (o.NextMarker == emulator.NextMarkerAlways || o.NextMarker == 0 && delimiter != "")
					if (l.NextMarker != "") != gives {
						t.Errorf("delimiter %q: NextMarker %q", delimiter, l.NextMarker)
					}
					marker = slices.Max(names)
				}
				if len(seen) != 1100 || pages != 2 {
					t.Errorf("delimiter %q: %d names in %d pages", delimiter, len(seen), pages)
				}
			}
		})
	}
}
