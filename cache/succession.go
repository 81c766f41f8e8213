package cache

import (
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"ncloudfs/remote"
)

const (
	// smallFile is the largest file that is fetched before anybody opens it, in
	// bytes: beyond that the round trip is the lesser part of its time.
	smallFile = 256 << 10

	successionBegins  = 3           // the file read in order from which on it is a succession
	successionPause   = time.Second // longer between two files, and it is another
	successionUseless = 2           // files fetched in vain after which it must prove itself anew
	successionDirs    = 16          // followed at a time

	filesAhead = 8 // fetched and not read, of one directory
)

// succession notices that the small files of one directory are read one after
// the other, in the order of their names, as cat(1), tar(1) and grep(1) do, and
// says which to fetch ahead. It does no input or output and takes no locks.
//
// What it costs in vain is bounded: it is never more than filesAhead files, at
// its start two, ahead of what was read, and once two of them were passed over it
// says nothing more until filesAhead files in a row were read in order.
type succession struct {
	last      string    // read last
	at        time.Time // when
	following []string  // after last, ascending
	run       int       // files read in order up to last
	pending   []string  // fetched ahead and not read yet
	useless   int       // fetched ahead and passed over
}

// read takes note of the first read of a small file, and of those that follow
// it, ascending, at least filesAhead if there are as many. It returns which of
// these to fetch.
func (s *succession) read(base string, following []string, now time.Time) []string {
	if base == s.last {
		return nil
	}
	s.passOver(base)
	s.run++
	if len(s.following) == 0 || s.following[0] != base || now.Sub(s.at) > successionPause {
		s.run = 1
	}
	s.last, s.at, s.following = base, now, following
	if s.run >= filesAhead {
		s.useless = 0
	}
	if s.run < successionBegins || s.useless >= successionUseless {
		return nil
	}
	width := min(2<<min(s.run-successionBegins, 8), filesAhead, len(following))
	ahead := slices.DeleteFunc(slices.Clone(following[:width]), func(f string) bool { return slices.Contains(s.pending, f) })
	s.pending = append(s.pending, ahead...)
	return ahead
}

// passOver ends the wait for base, and for what a reader that goes on from there
// does not come to.
func (s *succession) passOver(base string) {
	goesBack := base < s.last
	s.pending = slices.DeleteFunc(s.pending, func(f string) bool {
		isPassed := f != base && (goesBack || f < base)
		if isPassed {
			s.useless++
		}
		return f == base || isPassed
	})
}

// successions are those of the directories that files were read in lately. Safe
// for concurrent use.
type successions struct {
	mu    sync.Mutex // leaf
	byDir *simplelru.LRU[Name, *succession]
}

func newSuccessions() *successions {
	byDir, _ := simplelru.NewLRU[Name, *succession](successionDirs, nil) // fails only for a size below 1
	return &successions{byDir: byDir}
}

func (s *successions) read(n Name, following []string) []string {
	dir, base := n.Split()
	s.mu.Lock()
	defer s.mu.Unlock()
	in, ok := s.byDir.Get(dir)
	if !ok {
		in = &succession{}
		s.byDir.Add(dir, in)
	}
	return in.read(base, following, time.Now())
}

// followingScan is how many entries of a listing Following looks at.
const followingScan = 4 * filesAhead

// Following returns names that come after n in the valid listing of its
// directory, ascending: filesAhead of small files at most, which may have become
// something else since. ok is false where n is in no such listing.
func (d *directories) Following(n Name) (bases []string, ok bool) {
	parent, base := n.Split()
	d.mu.Lock()
	defer d.mu.Unlock()
	dir, found := d.known.Get(parent)
	if !found {
		return nil, false
	}
	l := dir.valid(time.Now())
	if l == nil {
		return nil, false
	}
	i, found := l.search(base)
	if !found {
		return nil, false
	}
	rest := l.entries[i+1:]
	for _, e := range rest[:min(followingScan, len(rest))] {
		if e.isDir || e.size == 0 || e.size > smallFile {
			continue
		}
		if bases = append(bases, e.base); len(bases) == filesAhead {
			break
		}
	}
	return bases, true
}

// followUp notes that o is about to be read, and fetches files ahead that will
// be, too. It sends nothing before it returns.
func (c *Cache) followUp(o remote.Object) {
	if o.Size > smallFile {
		return
	}
	n := c.nameOf(o.Path.Key)
	listed, ok := c.dirs.Following(n)
	if !ok {
		return
	}
	dir, _ := n.Split()
	var following []string
	versions := map[string]Version{}
	for _, base := range listed {
		e, _ := c.Peek(dir.Join(base))
		if e.Kind == File && e.Staged == nil && e.Object.Size > 0 && e.Object.Size <= smallFile {
			following = append(following, base)
			versions[base] = versionOf(e.Object)
		}
	}
	for _, base := range c.follows.read(n, following) {
		c.fetch.Ahead(versions[base])
	}
}
