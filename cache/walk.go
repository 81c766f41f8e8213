package cache

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"ncloudfs/remote"
)

const (
	walkBegins  = 3           // the directory of one parent, listed in order, from which on it is a walk
	walkPause   = time.Second // longer, and it is another
	walkPages   = 3           // asked for one directory at most
	walkUseless = 2           // directories that so many pages did not end, before it is given up

	pagesBeforeAhead = 1 // after so many, the next is asked for before it is wanted
)

// walk notices that directories of one parent are listed one after the other, as
// find(1) and rm(1) do, and then answers from pages of all that is below the
// parent: one request for many small directories. The first page is asked for
// when a directory is wanted that is in none so far, each later one while the one
// before is used up: a walk that ends there has wasted one request.
type walk struct {
	mu     sync.Mutex
	levels []walkLevel // each below the one before
	at     time.Time   // of the last listing
	flat   *flatListing
}

// walkLevel is how far a walk has come in one directory.
type walkLevel struct {
	parent  Name
	last    Name // in parent, listed last
	count   int  // of those listed in order
	useless int
}

// list returns the listing of n; nil when it is not in a walk's pages.
func (w *walk) list(ctx context.Context, c *Cache, n Name) (*listing, error) {
	if c.isBucket(n) || strings.Contains(string(n), escapeMore) {
		return nil, nil // buckets are not listed together, nor directories that are no keys
	}
	if !w.mu.TryLock() {
		return nil, nil // two at once are no walk
	}
	defer w.mu.Unlock()
	level := w.goesOn(n)
	if level == nil {
		return nil, nil
	}
	if w.flat == nil || !w.flat.isIn(c.dirKeyOf(n)) {
		w.flat = newFlatListing(c, level.parent, n)
	}
	for range walkPages {
		complete, err := w.flat.next(ctx, c)
		if err != nil {
			w.flat = nil
			return nil, fmt.Errorf("list directory %q: %w", n, err)
		}
		for name, l := range complete {
			if name != n {
				c.noteMarker(name, l)
				c.dirs.Learn(name, l)
			}
		}
		if l := complete[n]; l != nil {
			return l, nil
		}
		if !w.flat.isIn(c.dirKeyOf(n)) {
			return nil, nil // it has no keys, or they are out of order
		}
	}
	level.useless++
	return nil, nil
}

// goesOn notes that n is listed, and returns where in a walk that is; nil: in
// none.
func (w *walk) goesOn(n Name) *walkLevel {
	if n == "" {
		return nil
	}
	if time.Since(w.at) > walkPause {
		w.levels, w.flat = nil, nil
	}
	w.at = time.Now()
	parent, _ := n.Split()
	for len(w.levels) > 0 && !parent.In(w.levels[len(w.levels)-1].parent) {
		w.levels = w.levels[:len(w.levels)-1]
	}
	if i := len(w.levels) - 1; i < 0 || w.levels[i].parent != parent {
		w.levels = append(w.levels, walkLevel{parent: parent})
	}
	l := &w.levels[len(w.levels)-1]
	if n <= l.last {
		*l = walkLevel{parent: parent}
	}
	l.last = n
	if l.count++; l.count < walkBegins || l.useless >= walkUseless {
		return nil
	}
	return l
}

// flatListing is a listing of all keys below a directory, page by page.
type flatListing struct {
	name  Name
	root  string // its key
	o     remote.ListOptions
	open  []openDir // of which more may come, each in the one before
	ended bool
	pages int           // that came
	ahead chan flatPage // brings the next one; nil: it was not asked for
}

// flatPage is a page, asked for at begun, or why there is none.
type flatPage struct {
	*remote.Page
	begun time.Time
	err   error
}

// openDir is a directory of which not all is known yet.
type openDir struct {
	name Name
	b    *listingBuilder
}

// newFlatListing begins with directory n of root.
func newFlatListing(c *Cache, root, n Name) *flatListing {
	f := &flatListing{name: root, root: c.dirKeyOf(root)}
	f.o = remote.ListOptions{Bucket: c.bucket, Prefix: f.root, Marker: c.keyOf(n) + ".\U0010FFFF"} // "." comes before "/"
	return f
}

// isIn reports whether the directory with this key has been begun, so that the
// next pages bring what is missing of it.
func (f *flatListing) isIn(key string) bool {
	return !f.ended && len(f.open) > 0 && f.open[0].b.prefix == key
}

// next takes a page in, and returns the directories of which all is known then.
func (f *flatListing) next(ctx context.Context, c *Cache) (map[Name]*listing, error) {
	page := f.page(ctx, c)
	if page.err != nil {
		return nil, page.err
	}
	complete := map[Name]*listing{}
	if !page.Ordered {
		f.ended = true
		return complete, nil
	}
	f.o.Marker = page.Next
	if f.pages++; f.pages >= pagesBeforeAhead && page.Next != "" {
		f.ahead = make(chan flatPage, 1)
		ahead, o := f.ahead, f.o
		c.commits.Go(func() { ahead <- askFlat(c.ctx, c, o) })
	}
	for _, o := range page.Objects {
		f.closeBefore(c, o.Path.Key, complete)
		f.add(c, o, page.begun)
	}
	if f.ended = page.Next == ""; f.ended {
		f.closeBefore(c, "", complete)
	}
	return complete, nil
}

// page returns the next page.
func (f *flatListing) page(ctx context.Context, c *Cache) flatPage {
	if f.ahead == nil {
		return askFlat(ctx, c, f.o)
	}
	select {
	case page := <-f.ahead:
		f.ahead = nil
		return page
	case <-ctx.Done():
		return flatPage{err: context.Cause(ctx)}
	}
}

func askFlat(ctx context.Context, c *Cache, o remote.ListOptions) flatPage {
	begun := time.Now()
	page, err := c.client.ListPage(ctx, o)
	return flatPage{page, begun, err}
}

// closeBefore completes the directories that key is not in.
func (f *flatListing) closeBefore(c *Cache, key string, complete map[Name]*listing) {
	for n := len(f.open); n > 0; n-- {
		d := f.open[n-1]
		if key != "" && strings.HasPrefix(key, d.b.prefix) {
			return
		}
		complete[d.name] = c.finishListing(d.name, d.b)
		f.open = f.open[:n-1]
	}
}

// add takes in an object, with the directories above it that are new.
func (f *flatListing) add(c *Cache, o remote.Object, begun time.Time) {
	key, name := f.root, f.name
	var d *openDir
	if n := len(f.open); n > 0 {
		d = &f.open[n-1]
		key, name = d.b.prefix, d.name
	}
	for {
		base, _, isDir := strings.Cut(o.Path.Key[len(key):], "/")
		if !isDir {
			if d != nil {
				d.b.addObject(o)
			}
			return
		}
		if d != nil {
			d.b.addDir(base)
		}
		shown := escape(base)
		if len(shown) > 1 {
			return // what is below is shown elsewhere, and asked for there
		}
		key, name = key+base+"/", name.Join(shown[0])
		f.open = append(f.open, openDir{name, newListingBuilder(name, key, begun, c.ttl)})
		d = &f.open[len(f.open)-1]
	}
}
