package cache

import (
	"bytes"
	"maps"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ncloudfs/remote"
)

func drawTime(t *rapid.T, label string) time.Time {
	sec := rapid.Int64Range(-1<<33, 1<<35).Draw(t, label)
	return time.Unix(sec, rapid.Int64Range(0, 999_999_999).Draw(t, label+" ns"))
}

func drawAttr(t *rapid.T) Attr {
	a := Attr{Mtime: drawTime(t, "mtime"), Atime: drawTime(t, "atime"), Ctime: drawTime(t, "ctime")}
	if a.HasMode = rapid.Bool().Draw(t, "has mode"); a.HasMode {
		a.Mode = rapid.Uint32().Draw(t, "mode")
	}
	if a.HasOwner = rapid.Bool().Draw(t, "has owner"); a.HasOwner {
		a.UID, a.GID = rapid.Uint32().Draw(t, "uid"), rapid.Uint32().Draw(t, "gid")
	}
	a.Xattrs = rapid.MapOfN(rapid.String(), rapid.SliceOf(rapid.Byte()), -1, 4).Draw(t, "xattrs")
	return a
}

func sameAttr(a, b Attr) bool {
	return a.Mode == b.Mode && a.HasMode == b.HasMode && a.UID == b.UID && a.GID == b.GID && a.HasOwner == b.HasOwner &&
		a.Mtime.Equal(b.Mtime) && a.Atime.Equal(b.Atime) && a.Ctime.Equal(b.Ctime) &&
		maps.EqualFunc(a.Xattrs, b.Xattrs, bytes.Equal)
}

func TestAttrSurvivesItsMetadata(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawAttr(t)
		m := want.Meta(remote.Meta{"foreign": "kept"})
		if got := ParseAttr(m); !sameAttr(got, want) {
			t.Fatalf("got %+v, want %+v, through %v", got, want, m)
		}
		if m["foreign"] != "kept" {
			t.Fatalf("foreign metadata is gone: %v", m)
		}
		for name, value := range m {
			for i := range len(value) {
				if value[i] < ' ' || value[i] > '~' {
					t.Fatalf("%s is no plain header: %q", name, value)
				}
			}
		}
	})
}

func TestAttrsOfOtherProgramsAreRead(t *testing.T) {
	for name, c := range map[string]struct {
		meta remote.Meta
		want Attr
	}{
		"s3fs": {
			remote.Meta{"mode": "33188", "uid": "1000", "gid": "100", "mtime": "1700000000.000000007", "atime": "1700000001", "ctime": "1700000002.5"},
			Attr{Mode: 0o100644, HasMode: true, UID: 1000, GID: 100, HasOwner: true,
				Mtime: time.Unix(1700000000, 7), Atime: time.Unix(1700000001, 0), Ctime: time.Unix(1700000002, 500_000_000)},
		},
		"s3fs with xattrs": {
			remote.Meta{"xattr": "%7B%22user.a%22%3A%22Ynl0ZXM%3D%22%2C%22user.b%20c%22%3A%22%2B%2F8%3D%22%2C%22user.empty%22%3A%22%22%7D"},
			Attr{Xattrs: map[string][]byte{"user.a": []byte("bytes"), "user.b c": {0xfb, 0xff}, "user.empty": {}}},
		},
		"rclone":                {remote.Meta{"mtime": "1354040105.123456789"}, Attr{Mtime: time.Unix(1354040105, 123456789)}},
		"rclone, short":         {remote.Meta{"mtime": "1354040105.12"}, Attr{Mtime: time.Unix(1354040105, 120_000_000)}},
		"longer fraction":       {remote.Meta{"mtime": "1.0000000019"}, Attr{Mtime: time.Unix(1, 1)}},
		"the epoch":             {remote.Meta{"mtime": "0"}, Attr{Mtime: time.Unix(0, 0)}},
		"owner without a group": {remote.Meta{"uid": "5"}, Attr{}},
		"not numbers":           {remote.Meta{"mode": "rw", "uid": "-1", "gid": "0", "mtime": "yesterday", "xattr": "%7B%"}, Attr{}},
		"nothing":               {nil, Attr{}},
	} {
		if got := ParseAttr(c.meta); !sameAttr(got, c.want) {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

func TestAttrIsWrittenAsS3fsReadsIt(t *testing.T) {
	a := Attr{Mode: 0o120777, HasMode: true, UID: 0, GID: 5, HasOwner: true, Mtime: time.Unix(1700000000, 7), Atime: time.Unix(8, 0),
		Xattrs: map[string][]byte{"user.b c": {0xfb, 0xff}, "user.a": []byte("bytes")}}
	want := remote.Meta{"mode": "41471", "uid": "0", "gid": "5", "mtime": "1700000000.000000007", "atime": "8",
		"xattr": "%7B%22user.a%22%3A%22Ynl0ZXM%3D%22%2C%22user.b%20c%22%3A%22%2B%2F8%3D%22%7D"}
	if got := a.Meta(nil); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	base := remote.Meta{"xattr": "old", "other": "1"}
	if got := (Attr{}).Meta(base); !maps.Equal(got, remote.Meta{"other": "1"}) {
		t.Errorf("without xattrs: %v", got)
	}
	if base["xattr"] != "old" {
		t.Error("the metadata given was changed in place")
	}
}
