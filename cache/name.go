package cache

import "strings"

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
func (c *Cache) keyOf(n Name) string { return c.prefix + string(n) }

// dirKeyOf returns the key of a directory's marker, which is also the prefix
// of all that is in it.
func (c *Cache) dirKeyOf(n Name) string {
	if n == "" {
		return c.prefix
	}
	return c.prefix + string(n) + "/"
}

// markerOf is dirKeyOf as a key of its own: claimed, it does not stand for all
// that is below.
func (c *Cache) markerOf(n Name) string { return c.dirKeyOf(n) + "\x00marker" }
