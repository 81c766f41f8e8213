package cache

import "slices"

// extent is a range of bytes [Start, End).
type extent struct{ Start, End int64 }

// extents is a set of bytes, kept as sorted ranges that neither touch nor
// overlap. The zero value is empty.
type extents struct{ list []extent }

// Add puts [start, end) into the set.
func (x *extents) Add(start, end int64) {
	if start >= end {
		return
	}
	// [i, j) are the ranges that touch or overlap the new one.
	i, _ := slices.BinarySearchFunc(x.list, start, func(e extent, s int64) int { return cmpEnd(e.End, s) })
	j := i
	for j < len(x.list) && x.list[j].Start <= end {
		start, end = min(start, x.list[j].Start), max(end, x.list[j].End)
		j++
	}
	x.list = slices.Replace(x.list, i, j, extent{start, end})
}

// cmpEnd orders ranges before the first whose end reaches start.
func cmpEnd(end, start int64) int {
	if end < start {
		return -1
	}
	return 1
}

// Cut removes all bytes from size on.
func (x *extents) Cut(size int64) {
	for len(x.list) > 0 {
		last := &x.list[len(x.list)-1]
		if last.End <= size {
			return
		}
		if last.Start < size {
			last.End = size
			return
		}
		x.list = x.list[:len(x.list)-1]
	}
}

// Remove takes [start, end) out of the set.
func (x *extents) Remove(start, end int64) {
	if start >= end {
		return
	}
	var kept []extent
	for _, e := range x.list {
		if e.Start < start && e.End > start {
			kept = append(kept, extent{e.Start, start})
		}
		if e.End <= start || e.Start >= end {
			kept = append(kept, e)
		}
		if e.Start < end && e.End > end {
			kept = append(kept, extent{end, e.End})
		}
	}
	x.list = kept
}

// Covers reports whether all of [start, end) is in the set.
func (x *extents) Covers(start, end int64) bool {
	if start >= end {
		return true
	}
	inside, until := x.at(start)
	return inside && until >= end
}

// Missing returns how many bytes of [start, end) are not in the set.
func (x *extents) Missing(start, end int64) int64 {
	var n int64
	for start < end {
		inside, until := x.at(start)
		until = min(until, end)
		if !inside {
			n += until - start
		}
		start = until
	}
	return n
}

// Clone returns a copy that no longer changes with x.
func (x *extents) Clone() extents { return extents{slices.Clone(x.list)} }

// at reports whether byte off is in the set, and up to where that answer
// holds (exclusive; the largest int64 when nothing follows).
func (x *extents) at(off int64) (inside bool, until int64) {
	i, _ := slices.BinarySearchFunc(x.list, off, func(e extent, o int64) int {
		if e.End <= o {
			return -1
		}
		return 1
	})
	switch {
	case i == len(x.list):
		return false, maxOffset
	case x.list[i].Start > off:
		return false, x.list[i].Start
	default:
		return true, x.list[i].End
	}
}

// Bytes returns how many bytes are in the set.
func (x *extents) Bytes() int64 {
	var n int64
	for _, e := range x.list {
		n += e.End - e.Start
	}
	return n
}

const maxOffset = 1<<63 - 1
