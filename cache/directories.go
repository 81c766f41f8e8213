package cache

import (
	"cmp"
	"slices"
	"sync"
	"time"
	"weak"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"ncloudfs/remote"
)

// recordCost is about what a name beyond a listing takes of memory, in bytes, and
// a directory besides its names.
const recordCost = 512

// directories remembers, per directory, its last complete listing and what is
// known beyond it: answers about single names, and changes made through this
// mount. A change outlives every listing that was begun before it finished,
// and is believed for the TTL against a later listing that disagrees.
//
// Its bound is bytes; the directories used longest ago go first, all they know
// with them, except for names that are only local. A listing that is larger than
// that is known only as long as somebody reads it, who keeps it: `ls -l` asks for
// each name while it has the directory open.
type directories struct {
	bucket, prefix string
	ttl            time.Duration
	limit          int64 // bytes

	mu    sync.Mutex
	known *simplelru.LRU[Name, *directory] // guarded by mu, like all below
	cost  int64
	gone  forgotten
}

type directory struct {
	listing *listing              // the last complete one; nil: none
	lent    weak.Pointer[listing] // instead, where that is too large to be kept
	records map[string]record
	isLarge bool // its first page was truncated: look its names up one by one
}

// record is one name beyond the listing.
type record struct {
	Entry
	at     time.Time // when the question was asked, or the change was finished
	local  bool      // a change made through this mount
	pinned bool      // exists only locally: must not be forgotten
}

func newDirectories(bucket, prefix string, ttl time.Duration, limit int64) *directories {
	known, _ := simplelru.NewLRU[Name, *directory](1<<30, nil) // our bound is cost, not count
	return &directories{bucket: bucket, prefix: prefix, ttl: ttl, limit: limit, known: known}
}

// Lookup answers from memory. ok is false when nothing valid is known; isLarge
// then tells that listing the directory would take more than a page.
func (d *directories) Lookup(n Name) (e Entry, ok, isLarge bool) {
	if n == "" {
		return Entry{Kind: Dir, Expires: time.Now().Add(d.ttl)}, true, false
	}
	parent, base := n.Split()
	d.mu.Lock()
	defer d.mu.Unlock()
	dir, found := d.known.Get(parent)
	if !found {
		return Entry{}, false, false
	}
	now := time.Now()
	if r, found := dir.records[base]; found && r.holds(now) {
		return r.Entry, true, dir.isLarge
	}
	l := dir.valid(now)
	if l == nil {
		return Entry{}, false, dir.isLarge
	}
	if item, found := l.find(base); found {
		return d.entry(n, item, l), true, false
	}
	return Entry{Kind: Absent, Expires: l.expires}, l.ordered, true
}

// last returns the last complete listing, or nil.
func (d *directory) last() *listing {
	if d.listing != nil {
		return d.listing
	}
	return d.lent.Value()
}

// valid returns the last complete listing if it is still believed, else nil.
func (d *directory) valid(now time.Time) *listing {
	if l := d.last(); l != nil && now.Before(l.expires) {
		return l
	}
	return nil
}

func (d *directory) drop() { d.listing, d.lent = nil, weak.Pointer[listing]{} }

func (d *directories) entry(n Name, item listed, l *listing) Entry {
	if item.isDir {
		return Entry{Kind: Dir, Expires: l.expires}
	}
	p := remote.Path{Bucket: d.bucket, Key: d.prefix + unescapeName(n)}
	return Entry{Kind: File, Object: item.object(p), Expires: l.expires}
}

// List returns the valid listing of n, and what Records does; false when there is
// none.
func (d *directories) List(n Name) (l *listing, records []DirEntry, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	dir, found := d.known.Get(n)
	now := time.Now()
	if !found {
		return nil, nil, false
	}
	if l = dir.valid(now); l == nil {
		return nil, nil, false
	}
	return l, dir.believed(now), true
}

// Records returns what is to be believed of names in n whatever a listing says,
// by name.
func (d *directories) Records(n Name) []DirEntry {
	d.mu.Lock()
	defer d.mu.Unlock()
	dir, found := d.known.Get(n)
	if !found {
		return nil
	}
	return dir.believed(time.Now())
}

func (d *directory) believed(now time.Time) []DirEntry {
	var all []DirEntry
	for base, r := range d.records {
		if r.holds(now) {
			all = append(all, DirEntry{base, r.Entry})
		}
	}
	slices.SortFunc(all, func(a, b DirEntry) int { return cmp.Compare(a.Base, b.Base) })
	return all
}

// holds reports whether r is still to be believed when nothing says otherwise.
func (r record) holds(now time.Time) bool { return r.pinned || now.Before(r.Expires) }

// Learn takes a complete listing of n.
func (d *directories) Learn(n Name, l *listing) {
	now := time.Now()
	d.change(n, func(dir *directory) {
		if last := dir.last(); last != nil && last.begun.After(l.begun) || d.gone.since(n, l.begun) {
			return
		}
		dir.drop()
		dir.listing = l
		dir.isLarge = len(l.entries) >= 1000
		if dir.cost() > d.limit {
			dir.listing, dir.lent = nil, weak.Make(l)
		}
		for base, r := range dir.records {
			if !r.survives(l, base, now) {
				delete(dir.records, base)
			}
		}
	})
}

// survives reports whether r is still to be believed beside l.
func (r record) survives(l *listing, base string, now time.Time) bool {
	switch {
	case r.pinned:
		return true
	case !now.Before(r.Expires):
		return false
	case r.at.After(l.begun):
		return true
	case !r.local:
		return false
	}
	item, found := l.find(base)
	switch r.Kind {
	case Absent:
		return found
	case Dir:
		return !found || !item.isDir
	default:
		return !found || item.isDir || item.etag != r.Object.ETag
	}
}

// Large notes that n has more names than one page.
func (d *directories) Large(n Name) {
	d.change(n, func(dir *directory) { dir.isLarge = true })
}

// Seen takes the answer to a question about n that was asked at asked.
func (d *directories) Seen(n Name, e Entry, asked time.Time) {
	parent, base := n.Split()
	e.Expires = asked.Add(d.ttl)
	d.change(parent, func(dir *directory) {
		if r, found := dir.records[base]; found && (r.pinned || r.at.After(asked)) || d.gone.since(parent, asked) {
			return
		}
		dir.records[base] = record{Entry: e, at: asked}
	})
}

// Changed records what n is after a change made through this mount.
func (d *directories) Changed(n Name, e Entry) {
	d.setLocal(n, e, false)
}

// Pin records that n exists in this mount only, until Changed is called.
func (d *directories) Pin(n Name) {
	d.setLocal(n, Entry{Kind: File}, true)
}

// PinAbsent records that n does not exist in this mount though the bucket has
// it, until UnpinAbsent or Changed is called.
func (d *directories) PinAbsent(n Name) {
	d.setLocal(n, Entry{Kind: Absent}, true)
}

// UnpinAbsent ends PinAbsent; for the TTL n is believed absent still.
func (d *directories) UnpinAbsent(n Name) {
	parent, base := n.Split()
	d.change(parent, func(dir *directory) {
		if r, found := dir.records[base]; found && r.pinned && r.Kind == Absent {
			r.at, r.pinned = time.Now(), false
			r.Expires = r.at.Add(d.ttl)
			dir.records[base] = r
		}
	})
}

// Unpin forgets a name that was pinned.
func (d *directories) Unpin(n Name) {
	parent, base := n.Split()
	d.change(parent, func(dir *directory) { delete(dir.records, base) })
}

// setLocal does nothing for the root, which no directory holds.
func (d *directories) setLocal(n Name, e Entry, pinned bool) {
	if n == "" {
		return
	}
	parent, base := n.Split()
	now := time.Now()
	e.Expires = now.Add(d.ttl)
	e.Staged = nil
	d.change(parent, func(dir *directory) {
		dir.records[base] = record{Entry: e, at: now, local: true, pinned: pinned}
	})
}

// Created records a new directory, known to be empty.
func (d *directories) Created(n Name) {
	now := time.Now()
	d.Changed(n, Entry{Kind: Dir})
	d.change(n, func(dir *directory) {
		dir.drop()
		dir.listing = &listing{begun: now, expires: now.Add(d.ttl), ordered: true}
		dir.isLarge = false
	})
}

// Forget drops what is known of n and the listing that holds it, so that the
// next question goes to the bucket; answers that are under way are not kept.
func (d *directories) Forget(n Name) {
	parent, base := n.Split()
	d.change(parent, func(dir *directory) {
		d.gone.note(parent, false)
		dir.drop()
		if !dir.records[base].pinned {
			delete(dir.records, base)
		}
	})
}

// ForgetTree is Forget for all that is in n and below.
func (d *directories) ForgetTree(n Name) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.gone.note(n, true)
	for _, name := range d.known.Keys() {
		if name.In(n) {
			d.dropLocked(name)
		}
	}
}

// Forgotten returns how often something was forgotten: a question asked since
// another count may have another answer.
func (d *directories) Forgotten() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.gone.count
}

// Escaped returns how many names in the listings that are remembered are not the
// keys' own.
func (d *directories) Escaped() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	count := 0
	for _, dir := range d.known.Values() {
		if dir.listing != nil {
			count += dir.listing.escaped
		}
	}
	return count
}

// Bytes returns what is remembered takes, about.
func (d *directories) Bytes() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cost
}

// change applies f to the directory and keeps the bound.
func (d *directories) change(n Name, f func(*directory)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	dir, found := d.known.Get(n)
	if !found {
		dir = &directory{records: map[string]record{}}
		d.known.Add(n, dir)
		d.cost += dir.cost()
	}
	d.cost -= dir.cost()
	f(dir)
	d.cost += dir.cost()
	for range d.known.Len() {
		if d.cost <= d.limit {
			return
		}
		oldest, _, _ := d.known.GetOldest()
		if oldest == n && d.known.Len() > 1 {
			d.known.Get(n) // the one just changed is not the oldest
			continue
		}
		d.dropLocked(oldest)
	}
}

// dropLocked forgets a directory, except for pinned names.
func (d *directories) dropLocked(n Name) {
	dir, found := d.known.Get(n) // what keeps pinned names moves to the front
	if !found {
		return
	}
	d.cost -= dir.cost()
	dir.drop()
	for base, r := range dir.records {
		if !r.pinned {
			delete(dir.records, base)
		}
	}
	if len(dir.records) == 0 {
		d.known.Remove(n)
		return
	}
	d.cost += dir.cost()
}

func (d *directory) cost() int64 {
	n := int64(1+len(d.records)) * recordCost
	if d.listing != nil {
		n += d.listing.cost
	}
	return n
}
