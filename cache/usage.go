package cache

// Usage says what a Cache has in memory, in bytes.
type Usage struct {
	Limit  int64 `json:"limit"`  // of the three together
	Blocks int64 `json:"blocks"` // bytes of objects
	Bodies int64 `json:"bodies"` // on their way to the bucket
	Names  int64 `json:"names"`  // what is known of directories, about
}

// Usage returns what is in memory now.
func (c *Cache) Usage() Usage {
	return Usage{Limit: c.memory, Blocks: c.blocks.Bytes(), Bodies: c.inFlight.Load(), Names: c.dirs.Bytes()}
}

// Escaped returns how many names that are known here stand for keys which are no
// paths (see escape.go).
func (c *Cache) Escaped() int { return c.dirs.Escaped() }
