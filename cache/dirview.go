package cache

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
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
	if c.exact {
		return v, v.examine(ctx)
	}
	return v, nil
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

// headsInFlight is how many HEADs run together when attributes of a whole
// directory are wanted.
const headsInFlight = 64

// examine fetches the metadata of the entries that lack it, many together.
func (v *DirView) examine(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(headsInFlight)
	for i := range v.order {
		e := v.At(i)
		if e.Entry.Known || e.Entry.Staged != nil {
			continue
		}
		g.Go(func() error {
			_, err := v.c.examine(ctx, v.name.Join(e.Base), e.Entry)
			return err
		})
	}
	return g.Wait()
}
