package cache

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"
)

// DirEntry is one name in a directory.
type DirEntry struct {
	Base  string
	Entry Entry
}

// DirView is the names of a directory as they were when it was read, sorted, with
// what is known of each when it is asked for. Beside the listing, which it shares,
// it takes four bytes a name.
type DirView struct {
	c       *Cache
	name    Name
	listing *listing
	extra   []DirEntry // by base: names that the listing lacks or is wrong about
	order   []int32    // the names: an index of listing.entries, or ^ one of extra
}

// Len returns how many names there are.
func (v *DirView) Len() int { return len(v.order) }

// Base returns the name alone of name i, from 0.
func (v *DirView) Base(i int) string {
	if k := v.order[i]; k < 0 {
		return v.extra[^k].Base
	} else {
		return v.listing.entries[k].base
	}
}

// At returns name i, from 0.
func (v *DirView) At(i int) DirEntry {
	var e DirEntry
	var name Name
	if k := v.order[i]; k < 0 {
		e = v.extra[^k]
		name = v.name.Join(e.Base)
	} else {
		item := v.listing.entries[k]
		name = v.name.Join(item.base)
		e = DirEntry{item.base, v.c.dirs.entry(name, item, v.listing)}
	}
	if s := v.c.stage.Of(name); s != nil {
		e.Entry = s.Entry()
	} else {
		e.Entry = v.c.complete(name, e.Entry)
	}
	return e
}

// ReadDir returns the names of directory n: the pages of one listing, or nothing
// while the last is fresh.
func (c *Cache) ReadDir(ctx context.Context, n Name) (*DirView, error) {
	if _, veiled := c.veils.of(n); veiled {
		return &DirView{c: c, name: n, listing: &listing{}}, nil
	}
	l, records, ok := c.dirs.List(n)
	if !ok {
		listed, err := c.shared(ctx, "list\x00"+string(n), func(ctx context.Context) (any, error) {
			l, err := c.list(ctx, n, 0)
			if err == nil {
				c.noteMarker(n, l)
				c.dirs.Learn(n, l)
			}
			return l, err
		})
		if err != nil {
			return nil, err
		}
		l, records = listed.(*listing), c.dirs.Records(n)
	}
	v := &DirView{c: c, name: n, listing: l, extra: c.veils.over(n, c.withLocal(n, l, records))}
	v.sort()
	return v, nil
}

// Lookup returns what is to be known of name i beside the name: what is known now,
// else what was read, and with ExactAttrs the metadata, for which it waits. ok is
// false where that has to be asked for and no walk seems to want it: who only reads
// the names is not made to pay for that.
func (v *DirView) Lookup(ctx context.Context, i int) (e Entry, ok bool, err error) {
	n := v.name.Join(v.Base(i))
	if e, ok = v.c.Peek(n); !ok {
		e = v.At(i).Entry
	}
	switch {
	case !v.c.exact || e.Kind == Absent:
		return e, true, nil
	case !e.Known && !v.c.statWalks.walks(v.name):
		return e, false, nil
	}
	e, err = v.c.exactly(ctx, n, e, v.listing)
	return e, true, err
}

// maxSpecialSize is the most bytes that the object of a symbolic link has
// (PATH_MAX); those of other special files are empty.
const maxSpecialSize = 4096

// IsTyped reports whether e, of a name in v, tells a file from a symbolic link and
// from a special file.
func (v *DirView) IsTyped(e Entry) bool {
	return !v.c.exact || e.Known || e.Kind != File || e.Staged != nil || e.Object.Size > maxSpecialSize
}

// sort merges what the listing and extra say.
func (v *DirView) sort() {
	v.order = make([]int32, 0, len(v.listing.entries)+len(v.extra))
	j := 0
	take := func() {
		if v.extra[j].Entry.Kind != Absent {
			v.order = append(v.order, ^int32(j))
		}
		j++
	}
	for i := range v.listing.entries {
		base := v.listing.entries[i].base
		for j < len(v.extra) && v.extra[j].Base < base {
			take()
		}
		if j < len(v.extra) && v.extra[j].Base == base {
			take()
			continue
		}
		v.order = append(v.order, int32(i))
	}
	for j < len(v.extra) {
		take()
	}
}

// withLocal adds to extra, which is sorted, what is in n only because it, or
// something below it, is staged.
func (c *Cache) withLocal(n Name, l *listing, extra []DirEntry) []DirEntry {
	byBase := func(e DirEntry, base string) int { return cmp.Compare(e.Base, base) }
	for _, s := range c.stage.Under(n) {
		name, linked := s.Name()
		if !linked || !name.In(n) || name == n || name == n.marker() {
			continue // renamed or removed a moment ago
		}
		base, _, isBelow := strings.Cut(string(name.Rebase(n, "")), "/")
		i, found := slices.BinarySearchFunc(extra, base, byBase)
		if _, listed := l.find(base); listed && !found || found && extra[i].Entry.Kind != Absent {
			continue
		}
		e := DirEntry{base, s.Entry()}
		if isBelow {
			e.Entry = Entry{Kind: Dir, Expires: time.Now().Add(c.ttl)}
		}
		if found {
			extra[i] = e
		} else {
			extra = slices.Insert(extra, i, e)
		}
	}
	return extra
}
