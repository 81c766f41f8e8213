package cache

import (
	"time"

	"ncloudfs/remote"
)

// savedACL is how long after its creation a file that is renamed over another one
// counts as a new version of that: editors and sed -i save so.
const savedACL = time.Minute

// creation is what is remembered of a key that was made here, and whose ACL nobody
// has set here.
type creation struct {
	at     time.Time
	stored time.Time   // when the request began that made the object, with the default ACL; zero: none has
	etag   remote.ETag // of that object
}

// noteCreated remembers that key is new.
func (c *Cache) noteCreated(key string) { c.created.Add(key, creation{at: time.Now()}) }

// noteMade remembers that a request begun then has made o, with the default ACL,
// where its key is new.
func (c *Cache) noteMade(o remote.Object, begun time.Time) {
	if made, ok := c.created.Peek(o.Path.Key); ok && made.stored.IsZero() {
		made.stored, made.etag = begun, o.ETag
		c.created.Add(o.Path.Key, made)
	}
}

// isMadeHere reports whether the version etag of key is one that this mount has made
// within aclAge: its ACL is the default then, as if that had been read in that
// moment. All versions of a marker are alike.
func (c *Cache) isMadeHere(key string, etag remote.ETag) bool {
	made, ok := c.created.Peek(key)
	return ok && time.Since(made.stored) < aclAge && (made.etag == etag || isMarker(Name(key)))
}

// isSave reports whether what is renamed from key takes over the ACL of what it
// replaces.
func (c *Cache) isSave(key string) bool {
	made, ok := c.created.Get(key)
	return ok && time.Since(made.at) < savedACL
}

// moveCreated follows a rename.
func (c *Cache) moveCreated(from, to string, replaces bool) {
	made, ok := c.created.Peek(from)
	c.created.Remove(from)
	switch {
	case replaces && ok: // a new version of to
	case ok:
		c.created.Add(to, made)
	default:
		c.created.Remove(to)
	}
}
