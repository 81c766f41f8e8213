package remote

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// maxKeys is how many entries one page may have (Object Storage API guide).
const maxKeys = 1000

// ListOptions says what to list.
type ListOptions struct {
	Bucket    string
	Prefix    string
	Delimiter string // "/" or empty
	Marker    string // keys after it
	MaxKeys   int    // 1..1000; 0: 1000
}

// Page is one answer of a listing.
type Page struct {
	Objects  []Object
	Prefixes []string // common prefixes, whole
	Next     string   // marker of the next page; empty: this was the last
	Named    bool     // the answer itself named the next marker
	Ordered  bool     // keys and prefixes came in ascending byte order, all after the marker
}

// ListPage asks for one page with List Objects V1. A page that says there is
// more but whose next marker is not after o.Marker is an error: the listing
// would never end.
func (c *Client) ListPage(ctx context.Context, o ListOptions) (*Page, error) {
	if o.Bucket == Account {
		return c.listAccount(ctx, o)
	}
	k := &call{op: "LIST", path: Path{o.Bucket, o.Prefix}, method: http.MethodGet, query: o.query(), list: true}
	var page *Page
	k.accept = func(a *answer) error {
		doc, err := a.document()
		if err != nil {
			return err
		}
		page, err = scanPage(doc, o)
		if err != nil {
			if e := a.errorIn(k, doc); e != nil {
				return e
			}
		}
		return err
	}
	if err := c.do(ctx, k); err != nil {
		return nil, err
	}
	return page, nil
}

func (o ListOptions) query() url.Values {
	n := o.MaxKeys
	if n <= 0 || n > maxKeys {
		n = maxKeys
	}
	q := url.Values{"encoding-type": {"url"}, "max-keys": {strconv.Itoa(n)}, "prefix": {o.Prefix}}
	if o.Delimiter != "" {
		q.Set("delimiter", o.Delimiter)
	}
	if o.Marker != "" {
		q.Set("marker", o.Marker)
	}
	return q
}

// List yields the pages of a listing, first to last. The sequence ends after a
// page whose Next is empty or after the first error; a cancelled context is
// an error, so a sequence without one was complete.
func (c *Client) List(ctx context.Context, o ListOptions) iter.Seq2[*Page, error] {
	return func(yield func(*Page, error) bool) {
		for {
			page, err := c.ListPage(ctx, o)
			if !yield(page, err) || err != nil || page.Next == "" {
				return
			}
			o.Marker = page.Next
		}
	}
}

// finish derives what the document does not say: whether the page is in
// order, and where the next one begins.
func (p *Page) finish(o ListOptions, truncated bool, next nextMarker) error {
	p.Ordered = true
	last, lastKey, lastPrefix := "", o.Marker, o.Marker
	for i := range p.Objects {
		key := p.Objects[i].Path.Key
		p.Ordered = p.Ordered && (key > lastKey || lastKey == "")
		lastKey = key
		last = max(last, key)
	}
	for _, prefix := range p.Prefixes {
		p.Ordered = p.Ordered && (prefix > lastPrefix || lastPrefix == "")
		lastPrefix = prefix
		last = max(last, prefix)
	}
	if !truncated {
		return nil
	}
	p.Next, p.Named = next.choose(p, last), next.raw != ""
	if p.Next <= o.Marker {
		return fmt.Errorf("%w: a truncated page whose next marker %q is not after %q", errMalformed, p.Next, o.Marker)
	}
	return nil
}

// nextMarker is NextMarker as it stands in the answer, and unescaped where
// the answer says that names are. Ceph 16 does not escape it all the same.
type nextMarker struct{ raw, plain string }

// choose returns the marker of the page after p, whose last entry is last. In
// a page in order that is last itself, unless NextMarker lies within that
// common prefix. In any other only NextMarker can tell, if it is there.
func (n nextMarker) choose(p *Page, last string) string {
	switch {
	case n.raw == "":
		return last
	case p.Ordered && last != "" && !strings.HasPrefix(n.plain, last):
		return last
	case n.raw != n.plain && p.has(n.raw):
		return n.raw
	}
	return n.plain
}

// has reports whether name is an entry of the page.
func (p *Page) has(name string) bool {
	return slices.Contains(p.Prefixes, name) ||
		slices.ContainsFunc(p.Objects, func(o Object) bool { return o.Path.Key == name })
}
