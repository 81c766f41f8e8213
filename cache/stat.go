package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"ncloudfs/remote"
)

// Stat tells what n is. It sends nothing while what is known of n or of its
// directory is fresh; else one page of the directory's listing, or for a large
// directory a HEAD of the object and a listing of one key below it, side by
// side. A name that does not exist is an Entry of kind Absent, not an error.
func (c *Cache) Stat(ctx context.Context, n Name) (Entry, error) {
	if kind, veiled := c.veils.of(n); veiled {
		return Entry{Kind: kind}, nil
	}
	if s := c.stage.Of(n); s != nil {
		return s.Entry(), nil
	}
	if !n.isName() {
		return Entry{Kind: Absent}, nil
	}
	e, ok, isLarge := c.remembered(n)
	if ok && e.Kind == Absent && n.isBeside() {
		ok, isLarge = false, true // it has this name also where the directory has gone meanwhile
	}
	if !ok {
		var err error
		if e, err = c.find(ctx, n, isLarge); err != nil {
			return Entry{}, err
		}
	}
	e = c.complete(n, e)
	switch {
	case e.Kind == Absent && len(c.stage.Under(n)) > 0:
		return c.complete(n, Entry{Kind: Dir, Expires: e.Expires}), nil // all that is in it is still local
	case c.exact && e.Kind != Absent:
		return c.exactly(ctx, n, e, nil)
	}
	return e, nil
}

// Peek is Stat from memory: false when that would have to ask the bucket.
func (c *Cache) Peek(n Name) (Entry, bool) {
	if kind, veiled := c.veils.of(n); veiled {
		return Entry{Kind: kind}, true
	}
	if s := c.stage.Of(n); s != nil {
		return s.Entry(), true
	}
	e, ok, _ := c.remembered(n)
	if !ok {
		return Entry{}, false
	}
	e = c.complete(n, e)
	return e, e.Known || !c.exact || e.Kind == Absent
}

// remembered is what is known of a name that was not in the stage a moment ago. One
// that only the stage has may be there by now, or it is just being renamed.
func (c *Cache) remembered(n Name) (e Entry, ok, isLarge bool) {
	e, ok, isLarge = c.dirs.Lookup(n)
	if !ok || e.Kind != File || e.Object.Path.Key != "" {
		return e, ok, isLarge
	}
	if s := c.stage.Of(n); s != nil {
		return s.Entry(), true, isLarge
	}
	return Entry{Kind: Absent, Expires: time.Now()}, true, isLarge
}

// Forget drops what is known of n, and the bytes of versions that nobody has
// open, so that the next question goes to the bucket. What is staged stays.
func (c *Cache) Forget(n Name) {
	c.dirs.Forget(n)
	c.known.Forget(c.keyOf(n))
	c.blocks.Forget(c.path(c.keyOf(n)))
}

// complete adds the metadata that is remembered of e.
func (c *Cache) complete(n Name, e Entry) Entry {
	switch {
	case e.Staged != nil: // knows its own
		return e
	case e.Kind == File:
		e.Object, e.Known = c.known.Complete(e.Object)
	case e.Kind == Dir:
		if s := c.stage.Of(n.marker()); s != nil {
			marker := s.Entry()
			e.Object, e.Attr, e.Known = marker.Object, marker.Attr, true
			return e
		}
		e.Object, e.Known = c.known.Marker(c.path(c.dirKeyOf(n)))
	}
	if e.Known {
		e.Attr = ParseAttr(e.Object.Meta)
	}
	return e
}

// find asks the bucket.
func (c *Cache) find(ctx context.Context, n Name, isLarge bool) (Entry, error) {
	dir, _ := n.Split()
	if !isLarge {
		_, err := c.shared(ctx, "page\x00"+string(dir), func(ctx context.Context) (any, error) {
			return nil, c.listPage(ctx, dir)
		})
		mayEnter := c.isBucket(n) && isWithheld(err)
		if err != nil && !mayEnter {
			return Entry{}, err
		}
		if e, ok, _ := c.remembered(n); ok {
			return e, nil
		}
	}
	e, err := c.shared(ctx, "name\x00"+string(n), func(ctx context.Context) (any, error) {
		return c.probe(ctx, n)
	})
	if err != nil {
		return Entry{}, err
	}
	return e.(Entry), nil
}

// listPage learns a directory whose listing fits one page, or that it is large.
func (c *Cache) listPage(ctx context.Context, dir Name) error {
	l, err := c.list(ctx, dir, 1)
	switch {
	case err != nil:
		return err
	case l == nil:
		c.dirs.Large(dir)
	default:
		c.noteMarker(dir, l)
		c.dirs.Learn(dir, l)
	}
	return nil
}

// probe asks for one name: HEAD of the object and a listing of one key below
// it, side by side. Absent is what both say.
func (c *Cache) probe(ctx context.Context, n Name) (Entry, error) {
	if c.isBucket(n) {
		return c.probeBucket(ctx, n)
	}
	asked := time.Now()
	e := Entry{Kind: Absent}
	var isDir bool
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		if c.keyOf(n) == "" || n.isPiece() {
			return nil
		}
		o, err := c.client.Head(ctx, c.path(c.keyOf(n)))
		switch {
		case err == nil && o.Size == 0 && isTrailing(n): // only a marker
		case err == nil:
			c.known.Learn(o, false)
			e = Entry{Kind: File, Object: o}
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
		return nil
	})
	g.Go(func() error {
		if n.isPiece() {
			l, err := c.list(ctx, n, 0)
			isDir = err == nil && len(l.entries) > 0
			return err
		}
		if n.isBeside() {
			return nil
		}
		page, err := c.client.ListPage(ctx, remote.ListOptions{Bucket: c.bucket, Prefix: c.dirKeyOf(n), MaxKeys: 1})
		if err == nil {
			isDir = len(page.Objects) > 0
		}
		return err
	})
	if err := g.Wait(); err != nil {
		return Entry{}, fmt.Errorf("look up %q: %w", n, err)
	}
	if isDir {
		e = Entry{Kind: Dir}
	}
	c.dirs.Seen(n, e, asked)
	e.Expires = asked.Add(c.ttl)
	return e, nil
}

// examine fetches the metadata of a name whose listing is known. A directory
// without a marker has none.
func (c *Cache) examine(ctx context.Context, n Name, e Entry) (Entry, error) {
	key := c.keyOf(n)
	if e.Kind == Dir {
		key = c.dirKeyOf(n)
		if c.hasNoMarker(n) {
			return e, nil
		}
	}
	asked := time.Now()
	o, err := c.client.Head(ctx, c.path(key))
	switch {
	case errors.Is(err, fs.ErrNotExist) && e.Kind == Dir:
		c.known.Learn(remote.Object{Path: c.path(key), HasMeta: true}, false)
		return e, nil
	case errors.Is(err, fs.ErrNotExist):
		c.dirs.Seen(n, Entry{Kind: Absent}, asked)
		return Entry{Kind: Absent}, nil
	case err != nil:
		return Entry{}, fmt.Errorf("attributes of %q: %w", n, err)
	}
	c.known.Learn(o, false)
	if e.Kind == File && (o.ETag != e.Object.ETag || o.ModTime.Unix() != e.Object.ModTime.Unix()) {
		c.dirs.Seen(n, Entry{Kind: File, Object: o}, asked)
	}
	e.Object = o
	return c.complete(n, e), nil
}

// Describe returns e with its object's metadata, for what needs it whole:
// one HEAD unless it is known.
func (c *Cache) Describe(ctx context.Context, n Name, e Entry) (Entry, error) {
	if e.Known || e.Staged != nil || e.Kind == Absent {
		return e, nil
	}
	return c.examine(ctx, n, e)
}

// noteMarker has what a directory's own listing says of its marker noted.
func (c *Cache) noteMarker(n Name, l *listing) {
	c.known.Listed(c.dirKeyOf(n), l.marker, l.begun)
}

// shared runs f once for all who ask the same question at the same time, on the
// mount's context; a caller's wait ends with its own. Who asks after something
// was forgotten gets no answer that was asked for before.
func (c *Cache) shared(ctx context.Context, question string, f func(context.Context) (any, error)) (any, error) {
	question = strconv.Itoa(c.dirs.Forgotten()) + "\x00" + question
	ch := c.flights.DoChan(question, func() (any, error) { return f(c.ctx) })
	select {
	case r := <-ch:
		return r.Val, r.Err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
