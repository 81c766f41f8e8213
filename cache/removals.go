package cache

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"ncloudfs/remote"
)

// removals are objects whose name was removed, and which are still in the
// bucket: because handles read them, or because deletions are carried out
// behind and in batches. A deletion never meets a newer object.
type removals struct {
	mu   sync.Mutex
	list map[remote.Path]*removal // guarded by mu
	wake chan struct{}            // has room for one
}

// removal is one object that is to be deleted. It is immutable.
type removal struct {
	object  remote.Object // the version; without an ETag: whatever is there
	since   time.Time     // of the removal of its name
	isOpen  bool          // handles read it: it waits for the last close
	isLate  bool          // the object is looked at before it is deleted
	late    []remote.ETag // older versions of ours, which may be there instead
	again   doubt         // deleted, and to be looked at when this ends
	failure error         // of the last try
	wait    time.Duration // before the next
	due     time.Time
}

func newRemovals() *removals {
	return &removals{list: map[remote.Path]*removal{}, wake: make(chan struct{}, 1)}
}

func (x *removals) put(r removal) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.list[r.object.Path] = &r
}

// get returns the removal of the version etag of p; an empty etag takes any.
func (x *removals) get(p remote.Path, etag remote.ETag) *removal {
	x.mu.Lock()
	defer x.mu.Unlock()
	r := x.list[p]
	if r == nil || etag != "" && r.object.ETag != etag {
		return nil
	}
	return r
}

// version returns the object at p that is to be deleted; its Path is empty
// when there is none.
func (x *removals) version(p remote.Path) remote.Object {
	if r := x.get(p, ""); r != nil {
		return r.object
	}
	return remote.Object{}
}

// drop forgets the removal at p, and reports whether there was one.
func (x *removals) drop(p remote.Path) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	_, ok := x.list[p]
	delete(x.list, p)
	return ok
}

// under returns the removals below a key prefix.
func (x *removals) under(prefix string) []*removal {
	x.mu.Lock()
	defer x.mu.Unlock()
	var all []*removal
	for p, r := range x.list {
		if strings.HasPrefix(p.Key, prefix) {
			all = append(all, r)
		}
	}
	return all
}

// leaving returns what tells, of the objects in a listing below prefix that is made
// after this call, those on their way out: some may be gone before it is looked at.
func (x *removals) leaving(prefix string) (isLeaving func(o remote.Object) bool, count int) {
	all := map[remote.Path]remote.ETag{}
	for _, r := range x.under(prefix) {
		all[r.object.Path] = r.object.ETag
	}
	return func(o remote.Object) bool {
		etag, was := all[o.Path]
		return was && (etag == "" || etag == o.ETag) || x.hides(o.Path)
	}, len(all)
}

// hides reports whether the object at p is on its way out.
func (x *removals) hides(p remote.Path) bool { return x.get(p, "") != nil }

// wakeRemovals has what waits looked at again.
func (c *Cache) wakeRemovals() {
	select {
	case c.removals.wake <- struct{}{}:
	default:
	}
}

// hideObject removes a name whose object is deleted later: after its last close,
// or behind.
func (c *Cache) hideObject(n Name, o remote.Object, isOpen bool) {
	o.Path = c.path(c.keyOf(n))
	r := c.removalRecord(o)
	c.appendLogged(n, r)
	c.hideNoted(n, o, r.Late, isOpen)
}

// hideNoted is hideObject for a removal that stands in the journal already; late
// are versions of ours that came before.
func (c *Cache) hideNoted(n Name, o remote.Object, late []remote.ETag, isOpen bool) {
	c.removals.put(removal{object: o, since: time.Now(), isOpen: isOpen, late: late})
	step("hidden")
	c.known.Forget(o.Path.Key)
	shown := n
	if isMarker(n) {
		shown = n.dir()
	}
	c.dirs.PinAbsent(shown) // the bucket will show it until then
	if dir, _ := shown.Split(); dir != "" {
		c.dirs.Changed(dir, Entry{Kind: Dir})
		c.noteEmptied(dir)
	}
	if !isOpen {
		c.wakeRemovals()
	}
}

// removeLeft has objects deleted behind, as far as they are still there, whose
// names went with directory dir.
func (c *Cache) removeLeft(dir Name, objects []remote.Object) {
	group := make([]Record, len(objects))
	for i, o := range objects {
		group[i] = c.removalRecord(o)
		c.removals.put(removal{object: o, since: time.Now(), isLate: true, late: group[i].Late})
	}
	c.appendLogged(dir, group...)
	c.wakeRemovals()
}

func (c *Cache) removalRecord(o remote.Object, late ...remote.ETag) Record {
	return Record{ID: removalID(o.Path), State: StateRemoved, At: time.Now(), Key: []byte(o.Path.Key),
		Object: recordObject(o), Late: slices.Concat(late, c.sends.late(o.Path.Key))}
}

// removalID names a removal in the journal.
func removalID(p remote.Path) string { return keyID("removed ", p.Key) }

// keyID names a record that is about a key, and no file: no data file is called so.
func keyID(kind, key string) string {
	return kind + base64.RawURLEncoding.EncodeToString([]byte(key))
}

// dropRemoval forgets the removal at p: it is carried out, or a new object has
// taken its place.
func (c *Cache) dropRemoval(p remote.Path) {
	if c.removals.drop(p) {
		c.dropRecords(removalID(p))
	}
}

// dropRecords ends records that have no data file.
func (c *Cache) dropRecords(ids ...string) {
	group := make([]Record, len(ids))
	for i, id := range ids {
		group[i] = Record{ID: id, State: StateDone, At: time.Now()}
	}
	c.appendLogged("", group...)
	for _, id := range ids {
		c.stage.journal.Forget(id)
	}
}

// RemoveClosed deletes, behind, the object of a name that was removed while it
// was open, after its last close. Nothing happens when that version of p is not
// to be removed.
func (c *Cache) RemoveClosed(p remote.Path, etag remote.ETag) {
	if c.stage == nil {
		return
	}
	r := c.removals.get(p, etag)
	if r == nil || !r.isOpen {
		return
	}
	now := *r
	now.isOpen, now.isLate, now.due = false, true, time.Now()
	c.removals.put(now)
	c.wakeRemovals()
}

// removeClosed carries out now the removals of what no handle reads any more.
func (c *Cache) removeClosed(ctx context.Context) error {
	return c.removeNow(ctx, slices.DeleteFunc(c.removals.under(""), func(r *removal) bool { return r.isOpen }))
}

// removeUnder carries out all removals below a key prefix now, or says what
// prevents them.
func (c *Cache) removeUnder(ctx context.Context, prefix string) error {
	return c.removeNow(ctx, c.removals.under(prefix))
}

func (c *Cache) removeNow(ctx context.Context, all []*removal) error {
	for batch := range slices.Chunk(all, maxBatch) {
		if err := c.removeBatch(ctx, batch, true); err != nil {
			return fmt.Errorf("delete what was removed: %w", err)
		}
	}
	return nil
}
