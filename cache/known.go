package cache

import (
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"ncloudfs/remote"
)

const (
	// knownLimit is how many objects' metadata are remembered in memory: up to
	// 1 KiB each.
	knownLimit = 1 << 15

	// dateSlack is how far LastModified may lie from the Date header of the answer
	// to the PUT that made the object.
	dateSlack = 5 * time.Second

	// sameSecond is how old a version must be when it is looked at, for another of
	// the same ETag to have another LastModified, in whole seconds: one, and one for
	// what the clocks of a service's servers differ.
	sameSecond = 2 * time.Second
)

// known remembers the metadata of objects this mount has written or asked for,
// since listings do not carry it: in memory, and where there is a disk, on that
// for later mounts. What is remembered holds for one version: key, ETag and
// LastModified in whole seconds (a copy onto itself changes the metadata and may
// keep the ETag). What these do not tell apart is doubtful: a version that was
// looked at in the second of its making, and the marker of a directory, which
// the listing of its parent does not show.
type known struct {
	objects *lru.Cache[string, knownObject] // by key; safe for concurrent use
	disk    *knownDisk                      // nil: memory only
	doubt   time.Duration                   // how long what is doubtful is believed; 0: until something else is known
	skew    func() time.Duration            // the local clock less the server's
}

type knownObject struct {
	etag        remote.ETag
	size        int64
	modified    time.Time
	asked       time.Time // when the answer came
	approximate bool      // modified is a Date header, not LastModified
	doubtful    bool
	meta        remote.Meta
	contentType string
}

func newKnown(doubt time.Duration) *known {
	objects, _ := lru.New[string, knownObject](knownLimit) // fails only for a size below 1
	return &known{objects: objects, doubt: doubt, skew: func() time.Duration { return 0 }}
}

// Learn remembers o, which carries metadata. written tells that o is the
// answer to a PUT or Copy of ours, whose ModTime is approximate.
func (k *known) Learn(o remote.Object, written bool) {
	now := time.Now()
	h := knownObject{etag: o.ETag, size: o.Size, modified: o.ModTime, asked: now, approximate: written, meta: o.Meta, contentType: o.ContentType}
	if isMarker(Name(o.Path.Key)) {
		h.doubtful = !isRootOnly(o, written)
	} else if !written {
		h.doubtful = now.Add(-k.skew()).Sub(o.ModTime) < sameSecond
	}
	k.objects.Add(o.Path.Key, h)
	if !isRootOnly(o, written) {
		k.disk.put(o.Path.Key, &h)
	}
}

// isRootOnly reports whether o is what was set on the root of a bucket, which no
// object stands for.
func isRootOnly(o remote.Object, written bool) bool { return written && o.ETag == "" }

// Forget drops what is remembered of key.
func (k *known) Forget(key string) {
	k.disk.put(key, nil)
	k.objects.Remove(key)
}

// ForgetTree drops what is remembered of all keys that begin with prefix.
func (k *known) ForgetTree(prefix string) {
	k.disk.forgetTree(prefix)
	for _, key := range k.objects.Keys() {
		if strings.HasPrefix(key, prefix) {
			k.objects.Remove(key)
		}
	}
}

// Complete adds the remembered metadata to o, which came from a listing; false
// when nothing certain is known of this version.
func (k *known) Complete(o remote.Object) (remote.Object, bool) {
	if o.HasMeta {
		return o, true
	}
	have, ok := k.get(o.Path.Key)
	if !ok || !have.is(o) || k.doubts(have) {
		return o, false
	}
	k.settle(o, have)
	o.Meta, o.ContentType, o.HasMeta = have.meta, have.contentType, true
	return o, true
}

// settle notes the LastModified of an object that we have written.
func (k *known) settle(o remote.Object, have knownObject) {
	if !have.approximate {
		return
	}
	have.modified, have.approximate = o.ModTime, false
	k.objects.Add(o.Path.Key, have)
	k.disk.put(o.Path.Key, &have)
}

// Marker returns the metadata remembered of a directory's marker.
func (k *known) Marker(p remote.Path) (remote.Object, bool) {
	have, ok := k.get(p.Key)
	if !ok || k.doubts(have) {
		return remote.Object{Path: p}, false
	}
	return remote.Object{Path: p, ETag: have.etag, Size: have.size, ModTime: have.modified,
		Meta: have.meta, ContentType: have.contentType, HasMeta: true}, true
}

// Listed takes note of what a listing of its directory, begun then, says of the
// marker key: nil is that there is none. What was remembered of another version
// before that is forgotten.
func (k *known) Listed(key string, marker *remote.Object, begun time.Time) {
	have, ok := k.get(key)
	switch {
	case !ok, !have.asked.Before(begun):
	case marker == nil && have.etag != "", marker != nil && !have.is(*marker):
		k.Forget(key)
	case have.approximate && marker != nil:
		k.settle(*marker, have)
	case k.doubt > 0:
		have.asked = begun
		k.objects.Add(key, have)
	}
}

func (k *known) get(key string) (knownObject, bool) {
	if have, ok := k.objects.Get(key); ok {
		return have, true
	}
	have, ok := k.disk.get(key)
	if ok {
		k.objects.Add(key, have)
	}
	return have, ok
}

// doubts reports whether h is to be asked for again.
func (k *known) doubts(h knownObject) bool {
	age := time.Since(h.asked)
	return h.doubtful && k.doubt > 0 && (age < 0 || age >= k.doubt)
}

// is reports whether h is about this version.
func (h knownObject) is(o remote.Object) bool {
	if h.etag != o.ETag {
		return false
	}
	if h.approximate {
		return h.modified.Sub(o.ModTime).Abs() <= dateSlack
	}
	return h.modified.Unix() == o.ModTime.Unix()
}
