package remote_test

import (
	"slices"
	"strings"
	"testing"

	"ncloudfs/remote"
)

// oddKeys are keys that one encoding or another gets wrong.
func oddKeys() []string {
	return []string{
		"plain", " ", " leading and trailing ", "a b", "a+b", "a%b", "a%2Fb", "a%20b", "a&b=c?d#e", "a;b:c@d,e",
		`quote"apostrophe'`, "less<greater>amp&amp;", "back\\slash", "tilde~star*paren()", "[brackets]{braces}|^`",
		"//double//slash", "/leading", "trailing/", ".", "..", "a/./b", "a/../b", "dots...",
		"한글/파일.txt", // composed (NFC)
		"한글",        // decomposed (NFD)
		"emoji😀", "zero\u200dwidth", "line\nfeed", "tab\there", "carriage\rreturn", "del\x7f", "\u0085next",
		"control\x01\x1f",    // XML 1.0 cannot express these
		"noncharacter\uffff", // nor this
		"\U0010ffff",
		strings.Repeat("k", remote.MaxKeyLength),
		strings.Repeat("가", remote.MaxKeyLength/3), // 1023 bytes
		"dir/" + strings.Repeat("d/", 200) + "deep",
	}
}

// KeyRoundTrip: any key that UTF-8 can spell is stored, described, read, listed,
// copied and deleted under exactly that key.
func TestKeyRoundTrip(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		c, bucket := s.alice(t), s.bucket(t)
		keys := oddKeys()
		for _, key := range keys {
			p := remote.Path{Bucket: bucket, Key: key}
			put(t, c, p, "content of "+key, remote.PutOptions{})
			if got := get(t, c, p); got != "content of "+key {
				t.Errorf("%q: got %q", key, got)
			}
			if o, err := c.Head(t.Context(), p); err != nil || o.Path != p {
				t.Errorf("%q: %v %v", key, o.Path, err)
			}
			short := remote.Path{Bucket: bucket, Key: "copy"}
			if _, err := c.Copy(t.Context(), short, p, remote.CopyOptions{}); err != nil {
				t.Errorf("copying %q: %v", key, err)
			} else if got := get(t, c, short); got != "content of "+key {
				t.Errorf("copy of %q: got %q", key, got)
			}
		}
		keys = append(keys, "copy")
		slices.Sort(keys)
		got, _, _ := listAll(t, c, remote.ListOptions{Bucket: bucket})
		equalSlices(t, "listing", got, keys)
		got, _, _ = listAll(t, c, remote.ListOptions{Bucket: bucket, MaxKeys: 3})
		equalSlices(t, "listing by threes", got, keys)

		if failed, err := c.DeleteMany(t.Context(), bucket, keys); err != nil || len(failed) > 0 {
			t.Errorf("DeleteMany: %v %v", failed, err)
		}
		got, _, _ = listAll(t, c, remote.ListOptions{Bucket: bucket})
		equalSlices(t, "listing after DeleteMany", got, nil)
	})
}

// Every odd key is also a prefix that can be listed.
func TestPrefixRoundTrip(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		c, bucket := s.alice(t), s.bucket(t)
		var want []string
		for _, key := range oddKeys() {
			if len(key) > 900 || strings.Contains(key, "/") {
				continue
			}
			put(t, c, remote.Path{Bucket: bucket, Key: key + "/file"}, "", remote.PutOptions{})
			want = append(want, key+"/")
			got, _, _ := listAll(t, c, remote.ListOptions{Bucket: bucket, Prefix: key + "/", Delimiter: "/"})
			equalSlices(t, "below "+key, got, []string{key + "/file"})
		}
		slices.Sort(want)
		_, got, _ := listAll(t, c, remote.ListOptions{Bucket: bucket, Delimiter: "/"})
		equalSlices(t, "prefixes", got, want)
		_, got, _ = listAll(t, c, remote.ListOptions{Bucket: bucket, Delimiter: "/", MaxKeys: 2})
		equalSlices(t, "prefixes by twos", got, want)
	})
}

// A key of 1024 bytes is refused without a request (NAVER: KeyTooLong).
func TestKeyTooLong(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		c, bucket := s.alice(t), s.bucket(t)
		p := remote.Path{Bucket: bucket, Key: strings.Repeat("k", remote.MaxKeyLength+1)}
		_, err := c.Put(t.Context(), p, strings.NewReader(""), 0, remote.PutOptions{})
		wantCode(t, "Put", err, remote.KeyTooLong, remote.ErrTooLarge)
	})
}

// A name that is not UTF-8 is no key of NAVER's documentation, but it can be
// asked for: the service stores it, or refuses it for what it is, and not for
// its signature.
func TestKeyThatIsNotUTF8(t *testing.T) {
	onEveryService(t, func(t *testing.T, s *service) {
		c, bucket := s.alice(t), s.bucket(t)
		p := remote.Path{Bucket: bucket, Key: "\xff\xfe"}
		_, err := c.Put(t.Context(), p, strings.NewReader("x"), 1, remote.PutOptions{})
		if err != nil {
			if code := remote.CodeOf(err); code != "InvalidObjectName" && code != remote.InvalidURI { // the former is Ceph's
				t.Error(err)
			}
			return
		}
		equal(t, "content", get(t, c, p), "x")
		if failed, err := c.DeleteMany(t.Context(), bucket, []string{p.Key}); err != nil || len(failed) > 0 {
			t.Errorf("DeleteMany: %v %v", failed, err)
		}
		_, err = c.Head(t.Context(), p)
		wantCode(t, "Head after DeleteMany", err, remote.NoSuchKey, nil)
	})
}
