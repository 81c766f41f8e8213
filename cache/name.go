package cache

import (
	"context"
	"fmt"
	"strings"
)

// Name is a path inside the mount: components joined by "/", without one at
// either end. The root is "".
type Name string

// Join returns the name of child base in directory n.
func (n Name) Join(base string) Name {
	if n == "" {
		return Name(base)
	}
	return n + "/" + Name(base)
}

// Split returns the directory that holds n, and n's name in it.
func (n Name) Split() (dir Name, base string) {
	i := strings.LastIndexByte(string(n), '/')
	if i < 0 {
		return "", string(n)
	}
	return n[:i], string(n[i+1:])
}

// A name that ends in "/" is the marker of a directory, where the stage keeps
// one: its key is the marker's.

func isMarker(n Name) bool { return strings.HasSuffix(string(n), "/") }

// marker returns the name of n's marker.
func (n Name) marker() Name { return n + "/" }

// rootMarker is the marker of the root, whose key is the prefix.
const rootMarker Name = "/"

// dir returns the directory of a marker.
func (n Name) dir() Name { return n[:len(n)-1] }

// In reports whether n is dir or lies below it.
func (n Name) In(dir Name) bool {
	return dir == "" || n == dir || strings.HasPrefix(string(n), string(dir)+"/")
}

// Rebase moves n, which is in from, to the same place in to.
func (n Name) Rebase(from, to Name) Name {
	if n == from {
		return to
	}
	rest := n
	if from != "" {
		rest = n[len(from)+1:]
	}
	return to.Join(string(rest))
}

// keyOf returns the key of a file's object.
func (c *Cache) keyOf(n Name) string {
	if n == rootMarker {
		return c.prefix
	}
	return c.prefix + unescapeName(n)
}

// nameOf is the inverse of keyOf; a key that ends in "/" is a directory's marker.
func (c *Cache) nameOf(key string) Name {
	if key == c.prefix {
		return rootMarker
	}
	return escapeKey(strings.TrimPrefix(key, c.prefix))
}

// dirKeyOf returns the key of a directory's marker, which is also the prefix
// of all that is in it.
func (c *Cache) dirKeyOf(n Name) string {
	switch {
	case n == "":
		return c.prefix
	case strings.HasSuffix(string(n), escapeMore):
		return c.keyOf(n)
	}
	return c.keyOf(n) + "/"
}

// markerOf is dirKeyOf as a key of its own: claimed, it does not stand for all
// that is below.
func (c *Cache) markerOf(n Name) string { return c.dirKeyOf(n) + "\x00marker" }

// gateOf returns what a mutation of n claims.
func (c *Cache) gateOf(n Name) string {
	if isMarker(n) {
		return c.markerOf(n.dir())
	}
	return c.keyOf(n)
}

// claimName claims keys for a change of n. ErrMoved when a directory above n
// was renamed or removed while it waited: n is then no place to write to.
func (c *Cache) claimName(ctx context.Context, n Name, keys ...string) (release func(), err error) {
	release, err = c.gates.claim(ctx, keys...)
	if err != nil {
		return nil, err
	}
	if err := c.checkPlace(ctx, n); err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// claimMoving claims keys whose names change, in write-back mode, before the
// bucket does, so that no directory is renamed around them; for names as
// claimName.
func (c *Cache) claimMoving(ctx context.Context, names []Name, keys ...string) (release func(), err error) {
	release, err = c.names.claim(ctx, keys...)
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		if err := c.checkPlace(ctx, n); err != nil {
			release()
			return nil, err
		}
	}
	return release, nil
}

// ClaimName keeps the directories above n from being renamed until it is
// released. ErrMoved as for claimName.
func (c *Cache) ClaimName(ctx context.Context, n Name) (release func(), err error) {
	return c.claimMoving(ctx, []Name{n}, c.keyOf(n))
}

type stillNamed struct{}

// WhileNamed returns a context for changes of names that were read off a tree:
// where still reports false once no directory can be renamed around them any
// more, they end with ErrMoved, and nothing has changed.
func WhileNamed(ctx context.Context, still func() bool) context.Context {
	return context.WithValue(ctx, stillNamed{}, still)
}

// checkPlace is ErrMoved where n is no place to write to (any more).
func (c *Cache) checkPlace(ctx context.Context, n Name) error {
	if still, ok := ctx.Value(stillNamed{}).(func() bool); ok && !still() {
		return fmt.Errorf("%q: %w", n, ErrMoved)
	}
	return c.checkParents(n)
}

// checkParents is ErrMoved when a directory above n is known not to exist.
func (c *Cache) checkParents(n Name) error {
	for dir, _ := n.Split(); dir != ""; dir, _ = dir.Split() {
		if e, known := c.Peek(dir); known && e.Kind == Absent && len(c.stage.Under(dir)) == 0 {
			return fmt.Errorf("%q: %w", n, ErrMoved)
		}
	}
	return nil
}
