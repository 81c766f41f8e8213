package cache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

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
	listing listing
}

func newListingBuilder(prefix string, now time.Time, ttl time.Duration) *listingBuilder {
	return &listingBuilder{prefix, listing{begun: now, expires: now.Add(ttl), ordered: true}}
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
	switch {
	case base == "" && b.prefix != "":
		b.listing.marker = &o
	case !showable(base):
		b.listing.hidden++
	default:
		b.listing.entries = append(b.listing.entries, listed{strings.Clone(base), o.ETag, o.Size, o.ModTime.UnixMilli(), false}) // not the whole key
	}
}

func (b *listingBuilder) addDir(base string) {
	if !showable(base) {
		b.listing.hidden++
		return
	}
	b.listing.entries = append(b.listing.entries, listed{base: strings.Clone(base), isDir: true})
}

// finish sorts and removes what a path can show only once: where an object
// "a" lies beside "a/b", the directory has the name.
func (b *listingBuilder) finish() *listing {
	l := b.listing
	slices.SortFunc(l.entries, func(x, y listed) int {
		if d := cmp.Compare(x.base, y.base); d != 0 {
			return d
		}
		return directoriesFirst(x, y)
	})
	kept := slices.CompactFunc(l.entries, func(x, y listed) bool {
		if x.base == y.base && x.isDir != y.isDir {
			l.hidden++
		}
		return x.base == y.base
	})
	l.entries = slices.Clone(kept)
	for _, e := range l.entries {
		l.cost += e.cost()
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

// showable reports whether a file name of Linux can be base.
func showable(base string) bool {
	return base != "" && base != "." && base != ".." && len(base) <= MaxBase &&
		utf8.ValidString(base) && strings.IndexByte(base, 0) < 0
}

var errMorePages = errors.New("there are more pages")

// list asks for directory n. With pages > 0 it gives up after that many and
// returns nil when there are more.
func (c *Cache) list(ctx context.Context, n Name, pages int) (*listing, error) {
	if l, err := c.walk.list(ctx, c, n); l != nil || err != nil {
		return l, err
	}
	o := remote.ListOptions{Bucket: c.bucket, Prefix: c.dirKeyOf(n), Delimiter: "/"}
	b := newListingBuilder(o.Prefix, time.Now(), c.ttl)
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
		c.log.Warn("some keys cannot be shown as file names", "directory", string(n), "keys", l.hidden)
	}
	return l
}
