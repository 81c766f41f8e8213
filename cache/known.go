package cache

import (
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"ncloudfs/remote"
)

// knownLimit is how many objects' metadata are remembered: up to
// 1 KiB each.
const knownLimit = 1 << 15

// dateSlack is how far LastModified may lie from the Date header of the answer
// to the PUT that made the object.
const dateSlack = 5 * time.Second

// known remembers the metadata of objects this mount has written or asked for,
// since listings do not carry it. What is remembered holds for one version:
// key, ETag and LastModified in whole seconds (a copy onto itself changes the
// metadata and may keep the ETag).
type known struct {
	objects *lru.Cache[string, knownObject] // by key; safe for concurrent use
}

type knownObject struct {
	etag        remote.ETag
	size        int64
	modified    time.Time
	approximate bool // modified is a Date header, not LastModified
	meta        remote.Meta
	contentType string
}

func newKnown() *known {
	objects, _ := lru.New[string, knownObject](knownLimit) // fails only for a size below 1
	return &known{objects}
}

// Learn remembers o, which carries metadata. written tells that o is the
// answer to a PUT or Copy of ours, whose ModTime is approximate.
func (k *known) Learn(o remote.Object, written bool) {
	k.objects.Add(o.Path.Key, knownObject{o.ETag, o.Size, o.ModTime, written, o.Meta, o.ContentType})
}

// Forget drops what is remembered of key.
func (k *known) Forget(key string) { k.objects.Remove(key) }

// ForgetTree drops what is remembered of all keys that begin with prefix.
func (k *known) ForgetTree(prefix string) {
	for _, key := range k.objects.Keys() {
		if strings.HasPrefix(key, prefix) {
			k.objects.Remove(key)
		}
	}
}

// Complete adds the remembered metadata to o, which came from a listing; false
// when nothing is known of this version.
func (k *known) Complete(o remote.Object) (remote.Object, bool) {
	if o.HasMeta {
		return o, true
	}
	have, ok := k.objects.Get(o.Path.Key)
	if !ok || have.etag != o.ETag || !have.at(o.ModTime) {
		return o, false
	}
	if have.approximate {
		have.modified, have.approximate = o.ModTime, false
		k.objects.Add(o.Path.Key, have)
	}
	o.Meta, o.ContentType, o.HasMeta = have.meta, have.contentType, true
	return o, true
}

// Marker returns the metadata remembered of a directory's marker; listings of
// the parent do not show its version, so it holds until it is forgotten.
func (k *known) Marker(p remote.Path) (remote.Object, bool) {
	have, ok := k.objects.Get(p.Key)
	if !ok {
		return remote.Object{Path: p}, false
	}
	return remote.Object{Path: p, ETag: have.etag, Size: have.size, ModTime: have.modified,
		Meta: have.meta, ContentType: have.contentType, HasMeta: true}, true
}

func (k knownObject) at(t time.Time) bool {
	if k.approximate {
		return k.modified.Sub(t).Abs() <= dateSlack
	}
	return k.modified.Unix() == t.Unix()
}
