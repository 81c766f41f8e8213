package remote

import (
	"context"
	"errors"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
)

const (
	// pagesInOrder is after how many pages of a listing that has more, these are
	// asked for side by side.
	pagesInOrder = 3

	listers = 8 // pages that are asked for at once

	// farAhead is how many pages after the last range of keys another begins.
	farAhead = 4

	maxUseless = 2 // parts of a range that turn out empty, before it is not divided any more
)

var errUnordered = errors.New("a page is out of order")

// ListEach lists like List, but asks for many pages at once when there are more
// than a few: each gets them one at a time and in any order, and a name perhaps
// twice. An error of each ends the listing. What is not an error was complete.
func (c *Client) ListEach(ctx context.Context, o ListOptions, each func(*Page) error) error {
	l := &lister{client: c, o: o, each: each, space: keyspace{prefix: o.Prefix, delimiter: o.Delimiter}}
	ordered := true
	for n := 1; ; n++ {
		page, err := c.ListPage(ctx, o)
		if err != nil {
			return err
		}
		if err := each(page); err != nil || page.Next == "" {
			return err
		}
		before := o.Marker
		o.Marker = page.Next
		ordered = ordered && page.Ordered
		if n < pagesInOrder && ordered {
			page.names(l.space.learn)
		}
		if n == pagesInOrder && ordered {
			err := l.run(ctx, &keyRange{before: before, at: page.Next, ahead: farAhead})
			if !errors.Is(err, errUnordered) {
				return err
			}
		}
	}
}

// names calls f for the names in a page.
func (p *Page) names(f func(string)) {
	for i := range p.Objects {
		f(p.Objects[i].Path.Key)
	}
	for _, prefix := range p.Prefixes {
		f(prefix)
	}
}

// lister divides the keys that are not listed yet among workers.
type lister struct {
	client *Client
	o      ListOptions
	each   func(*Page) error

	mu      sync.Mutex
	changed *sync.Cond
	ranges  []*keyRange // that are being listed; guarded by mu, like all below
	space   keyspace
	failure error // the first
}

// keyRange are keys of which one worker lists one page after the other.
type keyRange struct {
	before  string // where the last page began
	at      string // listed up to here
	end     string // the last key of the range; empty: there is none
	ahead   int64  // of one without an end: so many pages ahead the next begins
	isNew   bool   // no page of it has come
	useless int    // parts of it that turned out empty
	parent  *keyRange
}

// run lists first and all after it.
func (l *lister) run(ctx context.Context, first *keyRange) error {
	l.changed = sync.NewCond(&l.mu)
	l.ranges = []*keyRange{first}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return l.list(ctx, first) })
	for range listers - 1 {
		g.Go(func() error {
			for {
				r := l.divide()
				if r == nil {
					return nil
				}
				if err := l.list(ctx, r); err != nil {
					return err
				}
			}
		})
	}
	return g.Wait()
}

// divide takes a part of what another worker has still to list, and waits until
// there is one; nil at the end of the listing.
func (l *lister) divide() *keyRange {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		if l.failure != nil || len(l.ranges) == 0 {
			return nil
		}
		if r := l.divideLocked(); r != nil {
			l.ranges = append(l.ranges, r)
			return r
		}
		l.changed.Wait()
	}
}

func (l *lister) divideLocked() *keyRange {
	var largest *keyRange
	for _, r := range l.ranges {
		if r.isNew || r.useless >= maxUseless || l.middle(r) == "" {
			continue
		}
		if largest == nil || r.end == "" || largest.end != "" && l.isLarger(r, largest) {
			largest = r
		}
	}
	if largest == nil {
		return nil
	}
	middle := l.middle(largest)
	r := &keyRange{before: middle, at: middle, end: largest.end, ahead: 2 * largest.ahead, isNew: true, parent: largest}
	largest.end = middle
	return r
}

// middle returns where a range is to be divided; "": a page or two are left.
func (l *lister) middle(r *keyRange) string {
	if r.end == "" {
		return l.space.after(r.before, r.at, r.ahead)
	}
	if next := l.space.after(r.before, r.at, 1); next == "" || next >= r.end {
		return ""
	}
	return l.space.between(r.at, r.end)
}

func (l *lister) isLarger(a, b *keyRange) bool {
	x, y := l.space.place(a.end), l.space.place(b.end)
	x.Sub(x, l.space.place(a.at))
	y.Sub(y, l.space.place(b.at))
	return x.Cmp(y) > 0
}

// list lists a range to its end, which others may bring nearer.
func (l *lister) list(ctx context.Context, r *keyRange) error {
	o := l.o
	for isLast := false; !isLast; {
		o.Marker = r.at // only its worker changes it
		page, err := l.client.ListPage(ctx, o)
		if err == nil && !page.Ordered {
			err = errUnordered
		}
		if isLast, err = l.took(r, page, err); err != nil {
			return err
		}
	}
	return nil
}

// took takes in a page of r, and reports whether it is the last.
func (l *lister) took(r *keyRange, page *Page, err error) (isLast bool, _ error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.changed.Broadcast()
	if l.failure != nil {
		return true, l.failure
	}
	if err == nil {
		page.cut(r.end)
		err = l.each(page)
	}
	if err != nil {
		l.failure = err
		return true, err
	}
	r.noteUse(len(page.Objects)+len(page.Prefixes) > 0)
	isLast = page.Next == "" || r.end != "" && page.Next >= r.end
	if isLast {
		l.ranges = slices.DeleteFunc(l.ranges, func(o *keyRange) bool { return o == r })
		return true, nil
	}
	r.before, r.at = r.at, page.Next
	l.space.learn(page.Next)
	return false, nil
}

// noteUse tells the range that r is a part of whether there was anything in it.
func (r *keyRange) noteUse(isUseful bool) {
	if !r.isNew {
		return
	}
	r.isNew = false
	if isUseful {
		r.parent.useless = 0
	} else {
		r.parent.useless++
	}
}

// cut removes names after end, unless that is empty.
func (p *Page) cut(end string) {
	if end == "" {
		return
	}
	for n := len(p.Objects); n > 0 && p.Objects[n-1].Path.Key > end; n-- {
		p.Objects = p.Objects[:n-1]
	}
	for n := len(p.Prefixes); n > 0 && p.Prefixes[n-1] > end; n-- {
		p.Prefixes = p.Prefixes[:n-1]
	}
}
