package cache

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
)

// veils hide what is below a directory while its rename is under way, so that the
// mount shows it as it was before or as it is after, never a mixture. The zero
// value is ready. Safe for concurrent use.
type veils struct {
	count atomic.Int32 // mostly zero: nothing is to be looked for then

	mu  sync.Mutex
	all []*veil // guarded by mu
}

// veil hides a directory, or with isEmpty only what is in it.
type veil struct {
	dir     Name
	isEmpty bool
}

// hide lowers a veil; nothing is shown of what it hides until lift is called.
func (v *veils) hide(dir Name, isEmpty bool) (lift func()) {
	one := &veil{dir, isEmpty}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.all = append(v.all, one)
	v.count.Add(1)
	return sync.OnceFunc(func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.all = slices.DeleteFunc(v.all, func(x *veil) bool { return x == one })
		v.count.Add(-1)
	})
}

// of returns what n is to be shown as, false where no veil is over it.
func (v *veils) of(n Name) (Kind, bool) {
	if v.count.Load() == 0 {
		return Absent, false
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, x := range v.all {
		switch {
		case n == x.dir && x.isEmpty:
			return Dir, true
		case n.In(x.dir):
			return Absent, true
		}
	}
	return Absent, false
}

// over has entries, which are sorted, say that what veils hide in directory n is
// not there.
func (v *veils) over(n Name, entries []DirEntry) []DirEntry {
	if v.count.Load() == 0 {
		return entries
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, x := range v.all {
		dir, base := x.dir.Split()
		if dir != n || x.isEmpty {
			continue
		}
		i, found := slices.BinarySearchFunc(entries, base, func(e DirEntry, b string) int { return cmp.Compare(e.Base, b) })
		absent := DirEntry{base, Entry{Kind: Absent}}
		if found {
			entries[i] = absent
		} else {
			entries = slices.Insert(entries, i, absent)
		}
	}
	return entries
}
