package cache

import (
	"testing"
	"time"

	"ncloudfs/remote"
)

func TestKnownMetadataHoldsForOneVersion(t *testing.T) {
	written := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	p := remote.Path{Bucket: "bucket", Key: "k"}
	described := remote.Object{Path: p, ETag: "e", ModTime: written, Meta: remote.Meta{"a": "1"}, ContentType: "text/plain", HasMeta: true}
	for name, c := range map[string]struct {
		written bool
		etag    remote.ETag
		at      time.Duration
		want    bool
	}{
		"same second of a listing":       {false, "e", 999 * time.Millisecond, true},
		"another second":                 {false, "e", time.Second, false},
		"another ETag":                   {false, "f", 0, false},
		"a second before the answer":     {true, "e", -time.Second, true},
		"a little after the answer":      {true, "e", dateSlack, true},
		"long after the answer":          {true, "e", dateSlack + time.Second, false},
		"another ETag after our PUT":     {true, "f", 0, false},
		"long before the answer, samely": {true, "e", -dateSlack - time.Second, false},
	} {
		k := newKnown(0)
		k.Learn(described, c.written)
		o, ok := k.Complete(remote.Object{Path: p, ETag: c.etag, ModTime: written.Add(c.at), Size: 3})
		if ok != c.want || o.HasMeta != c.want {
			t.Errorf("%s: known %v, want %v", name, ok, c.want)
		}
		if ok && (o.Meta["a"] != "1" || o.ContentType != "text/plain" || o.Size != 3) {
			t.Errorf("%s: %+v", name, o)
		}
	}
}

func TestApproximateDateBecomesExactWithTheFirstListing(t *testing.T) {
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	p := remote.Path{Bucket: "bucket", Key: "k"}
	k := newKnown(0)
	k.Learn(remote.Object{Path: p, ETag: "e", ModTime: now, HasMeta: true}, true)
	if _, ok := k.Complete(remote.Object{Path: p, ETag: "e", ModTime: now.Add(-time.Second)}); !ok {
		t.Fatal("not known by the first listing")
	}
	if _, ok := k.Complete(remote.Object{Path: p, ETag: "e", ModTime: now}); ok {
		t.Error("a copy onto itself a second later counts as the same version")
	}
	k.Forget("k")
	if _, ok := k.Complete(remote.Object{Path: p, ETag: "e", ModTime: now.Add(-time.Second)}); ok {
		t.Error("known after Forget")
	}
}

func TestMarkerIsKnownUntilItIsForgotten(t *testing.T) {
	p := remote.Path{Bucket: "bucket", Key: "d/"}
	k := newKnown(0)
	if _, ok := k.Marker(p); ok {
		t.Error("known without being learned")
	}
	k.Learn(remote.Object{Path: p, ETag: "e", Meta: remote.Meta{"mode": "1"}, HasMeta: true}, true)
	if o, ok := k.Marker(p); !ok || o.Meta["mode"] != "1" || o.Path != p || !o.HasMeta {
		t.Errorf("got %+v %v", o, ok)
	}
	k.Forget("d/")
	if _, ok := k.Marker(p); ok {
		t.Error("known after Forget")
	}
}
