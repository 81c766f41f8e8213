package cache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"ncloudfs/remote"
)

// MaxBase is the longest name of a file within its directory, in bytes
// (NAME_MAX of Linux).
const MaxBase = 255

// listing is all that one directory held when it was asked. It is complete or
// does not exist: a listing that failed or was cancelled is never kept. It is
// immutable.
type listing struct {
	begun   time.Time // when the first page was asked for
	expires time.Time
	ordered bool           // pages came in order, so that what is missing is absent
	marker  *remote.Object // the directory's own marker
	entries []listed       // by base, ascending
	escaped int            // entries that are no names themselves
	hidden  int            // keys that no path can show
	cost    int64          // bytes of memory, about
}

// listed is one name in a listing; small, because directories are large.
type listed struct {
	base     string
	etag     remote.ETag
	size     int64
	modified int64 // milliseconds since 1970, as precise as listings are
	isDir    bool
}

// listedCost is what a name takes besides its base and ETag, in bytes: the entry,
// and what the allocator adds to the two.
const listedCost = 56 + 2*8

func (e listed) cost() int64 { return listedCost + int64(len(e.base)+len(e.etag)) }

// search returns where in entries base is, or would be.
func (l *listing) search(base string) (i int, found bool) {
	return slices.BinarySearchFunc(l.entries, base, func(e listed, b string) int { return cmp.Compare(e.base, b) })
}

// find returns the entry called base.
func (l *listing) find(base string) (listed, bool) {
	i, ok := l.search(base)
	if !ok {
		return listed{}, false
	}
	return l.entries[i], true
}

// object returns the version that a listing shows.
func (e listed) object(p remote.Path) remote.Object {
	return remote.Object{Path: p, Size: e.size, ETag: e.etag, ModTime: time.UnixMilli(e.modified).UTC()}
}

// listingBuilder collects the pages of one directory.
type listingBuilder struct {
	prefix  string
	begun   string   // of the names in a directory of long ones: all that the directories show
	pieces  []string // how they do
	listing listing
}

func newListingBuilder(n Name, prefix string, now time.Time, ttl time.Duration) *listingBuilder {
	b := &listingBuilder{prefix: prefix, listing: listing{begun: now, expires: now.Add(ttl), ordered: true}}
	for n.isPiece() {
		var base string
		n, base = n.Split()
		raw, _ := unescape(base)
		b.begun, b.pieces = raw+b.begun, append([]string{base}, b.pieces...)
	}
	return b
}

func (b *listingBuilder) add(p *remote.Page) {
	l := &b.listing
	l.ordered = l.ordered && p.Ordered
	for _, o := range p.Objects {
		b.addObject(o)
	}
	for _, prefix := range p.Prefixes {
		b.addDir(strings.TrimSuffix(strings.TrimPrefix(prefix, b.prefix), "/"))
	}
}

func (b *listingBuilder) addObject(o remote.Object) {
	base := strings.TrimPrefix(o.Path.Key, b.prefix)
	if base == "" && b.prefix != "" && b.pieces == nil {
		b.listing.marker = &o
		if o.Size == 0 {
			return
		}
	}
	b.addEntry(base, listed{"", o.ETag, o.Size, o.ModTime.UnixMilli(), false})
}

func (b *listingBuilder) addDir(base string) { b.addEntry(base, listed{isDir: true}) }

// addEntry adds what the component base of keys is shown as, if that is in this
// directory.
func (b *listingBuilder) addEntry(base string, e listed) {
	if b.pieces == nil && isPlain(base) { // nearly all
		e.base = strings.Clone(base) // not the whole key
		b.listing.entries = append(b.listing.entries, e)
		return
	}
	shown := escape(b.begun + base)
	depth := len(b.pieces)
	if len(shown) <= depth || !slices.Equal(shown[:depth], b.pieces) {
		return
	}
	if e.base = strings.Clone(shown[depth]); len(shown) > depth+1 {
		e = listed{base: e.base, isDir: true}
	}
	b.listing.entries = append(b.listing.entries, e)
}

// finish sorts, and gives a name to an object "a" beside "a/b": the directory has
// theirs.
func (b *listingBuilder) finish() *listing {
	l := b.listing
	compare := func(x, y listed) int { return cmp.Or(cmp.Compare(x.base, y.base), directoriesFirst(x, y)) }
	slices.SortFunc(l.entries, compare)
	var beside []listed
	kept := slices.CompactFunc(l.entries, func(x, y listed) bool {
		if x.base == y.base && x.isDir != y.isDir {
			e := x
			if x.isDir {
				e = y
			}
			e.base += escapeBeside
			beside = append(beside, e)
		}
		return x.base == y.base
	})
	for _, e := range slices.CompactFunc(beside, func(x, y listed) bool { return x.base == y.base }) {
		if len(e.base) > MaxBase {
			l.hidden++
			continue
		}
		kept = append(kept, e)
	}
	l.entries = slices.Clone(kept)
	if len(beside) > 0 {
		slices.SortFunc(l.entries, compare)
	}
	for _, e := range l.entries {
		l.cost += e.cost()
		if raw, _ := unescape(e.base); raw != e.base {
			l.escaped++
		}
	}
	return &l
}

func directoriesFirst(x, y listed) int {
	switch {
	case x.isDir == y.isDir:
		return 0
	case x.isDir:
		return -1
	default:
		return 1
	}
}

var errMorePages = errors.New("there are more pages")

// list asks for directory n. With pages > 0 it gives up after that many and
// returns nil when there are more.
func (c *Cache) list(ctx context.Context, n Name, pages int) (*listing, error) {
	if l, err := c.walk.list(ctx, c, n); l != nil || err != nil {
		return l, err
	}
	o := remote.ListOptions{Bucket: c.bucket, Prefix: c.dirKeyOf(n), Delimiter: "/"}
	b := newListingBuilder(n, o.Prefix, time.Now(), c.ttl)
	count := 0
	err := c.client.ListEach(ctx, o, func(page *remote.Page) error {
		b.add(page)
		if count++; count == pages && page.Next != "" {
			return errMorePages
		}
		return nil
	})
	switch {
	case errors.Is(err, errMorePages):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("list directory %q: %w", n, err)
	}
	return c.finishListing(n, b), nil
}

func (c *Cache) finishListing(n Name, b *listingBuilder) *listing {
	l := b.finish()
	if l.hidden > 0 {
		c.log.Warn("objects beside directories of the same name cannot be shown: with the escape for that, their names are too long", "directory", string(n), "keys", l.hidden)
	}
	return l
}
