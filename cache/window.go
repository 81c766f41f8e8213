package cache

const (
	// firstWindow is what a read from the start of an object fetches, in bytes
	// and in one request; so objects up to this size take exactly one.
	firstWindow = 2 << 20

	// A window is fetched in parts, each one request. Small parts fill a window
	// of the same memory faster: 32 of 2 MiB reach the rate of 32 of 8 MiB in a
	// quarter of it (20 ms to the first byte, 80 MiB/s per connection).
	minPart = 2 << 20
	maxPart = 4 << 20

	// maxStreams is how many places of one object are followed at a time.
	maxStreams = 8

	// aheadPerRead bounds the waste: a stream is at most this many times as far
	// ahead as it has read in sequence (or firstWindow, at the object's start).
	aheadPerRead = 4

	// outOfOrder is how many requests the kernel's readahead has under way, and
	// therefore how far apart neighbours may arrive.
	outOfOrder = 8
)

// span is the bytes from low up to, not including, high.
type span struct{ low, high int64 }

// window decides what one Reader fetches ahead. It does no input or output
// and takes no locks: it is told what is read and what became of it, and
// answers with spans.
//
// It follows a few streams, places where reading goes on in sequence. A
// request that belongs to none starts a new one with nothing fetched ahead;
// so random access, which never meets its streams again, costs exactly its
// blocks.
type window struct {
	size     int64
	parallel int64     // parts in the largest window, if parts stay within their bounds
	streams  []*stream // last used first
	started  bool      // there was a request
}

// stream is one place where reading goes on in sequence.
type stream struct {
	next  int64 // end of the highest request
	ahead int64 // what lies from the stream's start up to here was asked for; a multiple of blockSize, or the size
	read  int64 // bytes requested in sequence
	width int64 // bytes it may be ahead of next
	head  int64 // what is fetched in any case; only from the start of an object
	slow  bool  // the reader had to wait since width changed
}

// request takes note of a read and returns what to fetch besides its own
// blocks, ascending and disjoint: spans begin and end on blocks (or at the
// object's end), and may include the read. limit is the widest window, in
// bytes. The stream belongs to placed, missed and waited.
func (w *window) request(read span, limit int64) ([]span, *stream) {
	if w.size <= firstWindow {
		w.started = true
		return []span{{0, w.size}}, nil
	}
	s, isLate := w.match(read)
	switch {
	case s == nil:
		s = w.begin(read)
	case isLate:
		return nil, nil
	default:
		s.read += read.high - max(read.low, min(s.next, read.high))
		s.next = max(s.next, read.high)
		if read.low-s.ahead > outOfOrder*(read.high-read.low) {
			s.ahead = floorBlock(read.low) // a seek beyond what it has
		}
	}
	if s.slow {
		s.slow = false
		s.width = min(2*s.width, limit)
	}
	return w.spans(s, read, limit), s
}

// isWide reports whether the last stream read has outgrown its first window.
func (w *window) isWide() bool { return len(w.streams) > 0 && w.streams[0].width > firstWindow }

// match finds the stream that a read continues. A late read is one that the
// stream has gone past.
func (w *window) match(read span) (s *stream, isLate bool) {
	reach := outOfOrder * (read.high - read.low)
	for i, s := range w.streams {
		isNext := read.high > s.next && read.low <= max(s.next+reach, s.ahead)
		isNext = isNext && read.low >= s.next-reach
		isLate := read.high <= s.next && read.low >= s.next-2*reach
		if isNext || isLate {
			copy(w.streams[1:i+1], w.streams[:i])
			w.streams[0] = s
			return s, isLate
		}
	}
	return nil, false
}

// begin starts a stream at a read. Only the first read of all may be taken for
// the start of a sequence: at the object's start, or near enough to have
// overtaken the one that is.
func (w *window) begin(read span) *stream {
	n := read.high - read.low
	s := &stream{next: read.high, ahead: ceilBlock(read.high, w.size), read: n, width: firstWindow}
	isFirst := read.low == 0 || n > blockSize && read.low <= outOfOrder*n && read.high <= firstWindow
	if !w.started && isFirst {
		s.ahead, s.head = 0, firstWindow
	}
	w.started = true
	if len(w.streams) == maxStreams {
		w.streams = w.streams[:maxStreams-1]
	}
	w.streams = append([]*stream{s}, w.streams...)
	return s
}

// spans returns the parts of s that should be fetched now.
func (w *window) spans(s *stream, read span, limit int64) []span {
	width := min(s.width, aheadPerRead*s.read, limit)
	if s.read == read.high-read.low {
		width = 0 // nothing says that it will go on
	}
	target := min(max(ceilBlock(s.next, w.size), floorBlock(s.next+width), s.head), w.size)
	if s.next+width >= w.size {
		target = w.size
	}
	part := min(max(floorBlock(width/max(w.parallel, 1)), minPart), maxPart)
	isShort := target-s.ahead < min(part, width/2)
	if target <= s.ahead || isShort && target < w.size && s.ahead >= read.high {
		return nil // worth a request later
	}
	var spans []span
	for low := s.ahead; low < target; {
		high := min(low+part, target)
		if w.size-high < part/2 && target == w.size {
			high = w.size
		}
		if high-low < part && high < w.size && len(spans) > 0 && low >= read.high {
			break // a whole part later
		}
		spans = append(spans, span{low, high})
		low = high
	}
	return spans
}

// placed tells that everything up to until is there or on its way.
func (s *stream) placed(until int64) { s.ahead = max(s.ahead, until) }

// missed tells that blocks of a read, which the stream had asked for, were
// gone: it asks again for what follows.
func (s *stream) missed(read span, size int64) {
	if read.high >= s.next {
		s.ahead = min(s.ahead, ceilBlock(read.high, size))
	}
}

// waited tells that a read had to wait for its blocks.
func (s *stream) waited() { s.slow = true }

func floorBlock(n int64) int64 { return n / blockSize * blockSize }

// ceilBlock rounds n up to a block, but not beyond size.
func ceilBlock(n, size int64) int64 { return min((n+blockSize-1)/blockSize*blockSize, size) }
