package cache

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

const (
	// headsInFlight is how many HEADs run ahead of stat walks at most, and how
	// many names nobody has wanted yet one walk has them for.
	headsInFlight = 64

	statWalkBegins = 3           // the name in one directory whose attributes have to be asked for, from which on it is a walk
	statWalkPause  = time.Second // longer between two names, and it is another
	statWalkDirs   = 16          // followed at a time

	// statWalkScan is how many names after the one that is wanted are looked at for
	// some whose attributes are not known: those asked for already among them.
	statWalkScan = 4 * headsInFlight
)

// statWalk notices that the attributes of the names of one directory are wanted
// one after the other, as ls -l, find(1) and rsync(1) do, and says how many to ask
// for ahead. It does no input or output and takes no locks.
//
// What it costs in vain is bounded: two names at its start, twice as many with
// each that was wanted, and never more than headsInFlight that nobody has wanted
// yet. The names need not be wanted in the order of the listing; what lies between
// them and is passed over stays part of this bound, so that it ends what skips.
type statWalk struct {
	at      time.Time         // of the last name
	wanted  int               // names that had to be asked for
	width   int               // names to be ahead
	pending map[Name]struct{} // asked for ahead, and not wanted yet
}

// want takes note that the attributes of n are wanted, which are known, or not,
// and returns for how many names after it to ask ahead.
func (w *statWalk) want(n Name, isKnown bool, now time.Time) int {
	if now.Sub(w.at) > statWalkPause {
		*w = statWalk{}
	}
	w.at = now
	_, isHit := w.pending[n]
	delete(w.pending, n)
	if isKnown && !isHit {
		return 0
	}
	w.wanted++
	if w.wanted >= statWalkBegins {
		w.width = max(w.width, 2)
	}
	if isHit {
		w.width = min(2*w.width, headsInFlight)
	}
	if room := w.width - len(w.pending); room >= w.width/8 { // several at a time: each look for them passes those that are pending
		return room
	}
	return 0
}

// ahead notes that n is asked for ahead; false: it was already.
func (w *statWalk) ahead(n Name) bool {
	if _, isPending := w.pending[n]; isPending {
		return false
	}
	if w.pending == nil {
		w.pending = map[Name]struct{}{}
	}
	w.pending[n] = struct{}{}
	return true
}

// statWalks are those of the directories that were walked lately. Safe for
// concurrent use.
type statWalks struct {
	mu    sync.Mutex // leaf
	byDir *simplelru.LRU[Name, *statWalk]
}

func newStatWalks() *statWalks {
	byDir, _ := simplelru.NewLRU[Name, *statWalk](statWalkDirs, nil) // fails only for a size below 1
	return &statWalks{byDir: byDir}
}

// want is statWalk.want for n. Where the directory walked last, but for those above
// this one, has just come to its end with nothing in vain, that walk goes on here.
func (s *statWalks) want(n Name, isKnown bool) int {
	dir, _ := n.Split()
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	w, ok := s.byDir.Get(dir)
	if !ok {
		w = &statWalk{at: now}
		if last := s.lastBesideLocked(dir); last != nil && len(last.pending) == 0 && now.Sub(last.at) <= statWalkPause {
			w.width = last.width
		}
		s.byDir.Add(dir, w)
	}
	return w.want(n, isKnown, now)
}

func (s *statWalks) lastBesideLocked(dir Name) *statWalk {
	for _, other := range slices.Backward(s.byDir.Keys()) {
		if !dir.In(other) {
			w, _ := s.byDir.Peek(other)
			return w
		}
	}
	return nil
}

func (s *statWalks) ahead(n Name) bool {
	dir, _ := n.Split()
	s.mu.Lock()
	defer s.mu.Unlock()
	w, ok := s.byDir.Peek(dir)
	return ok && w.ahead(n)
}

func (s *statWalks) isAhead(n Name) bool {
	dir, _ := n.Split()
	s.mu.Lock()
	defer s.mu.Unlock()
	w, ok := s.byDir.Peek(dir)
	if !ok {
		return false
	}
	_, isPending := w.pending[n]
	return isPending
}

// walks reports whether the attributes of names in dir are being asked for.
func (s *statWalks) walks(dir Name) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	w, ok := s.byDir.Peek(dir)
	return ok && w.wanted > 0 && time.Since(w.at) <= statWalkPause
}

// Listing returns the valid listing of n, or nil.
func (d *directories) Listing(n Name) *listing {
	d.mu.Lock()
	defer d.mu.Unlock()
	if dir, found := d.known.Get(n); found {
		return dir.valid(time.Now())
	}
	return nil
}

// exactly returns e with the metadata of its object: known, or from one HEAD. That
// of names which a walk wants next is asked for meanwhile: those that follow in l,
// or where that is nil, in the valid listing of the directory.
func (c *Cache) exactly(ctx context.Context, n Name, e Entry, l *listing) (Entry, error) {
	if e.Staged != nil || c.hasNoMarker(n) {
		return e, nil
	}
	if room := c.statWalks.want(n, e.Known); room > 0 {
		c.examineAhead(n, l, room)
	}
	if e.Known {
		return e, nil
	}
	return c.examineOnce(ctx, n, e)
}

// examineAhead asks for the metadata of up to room names that follow n in l.
func (c *Cache) examineAhead(n Name, l *listing, room int) {
	dir, base := n.Split()
	if l == nil {
		l = c.dirs.Listing(dir)
	}
	if l == nil {
		return
	}
	i, found := l.search(base)
	if found {
		i++
	}
	rest := l.entries[i:]
	for _, item := range rest[:min(statWalkScan, len(rest))] {
		next := dir.Join(item.base)
		if c.statWalks.isAhead(next) {
			continue
		}
		e := c.dirs.entry(next, item, l)
		if now, ok, _ := c.remembered(next); ok {
			e = now
		}
		if e = c.complete(next, e); e.Known || e.Kind == Absent || c.stage.Of(next) != nil || !c.statWalks.ahead(next) {
			continue
		}
		c.commits.Go(func() {
			if c.heads.Acquire(c.ctx, 1) != nil {
				return
			}
			defer c.heads.Release(1)
			_, _ = c.examineOnce(c.ctx, next, e) // whoever wants it asks again
		})
		if room--; room == 0 {
			return
		}
	}
}

// examineOnce is examine, once for all who ask for the same at the same time.
func (c *Cache) examineOnce(ctx context.Context, n Name, e Entry) (Entry, error) {
	found, err := c.shared(ctx, "attributes\x00"+string(n), func(ctx context.Context) (any, error) {
		if e := c.complete(n, e); e.Known {
			return e, nil // while this waited
		}
		return c.examine(ctx, n, e)
	})
	if err != nil {
		return Entry{}, err
	}
	return found.(Entry), nil
}
