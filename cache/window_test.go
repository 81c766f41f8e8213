package cache

import (
	"testing"

	"pgregory.net/rapid"
)

const (
	kib = 1 << 10
	mib = 1 << 20
	gib = 1 << 30
)

// readAhead reads spans in turn as a Reader does whose every fetch finds room,
// waiting for each, and returns all that the window wanted.
func readAhead(w *window, limit int64, reads ...span) []span {
	var all []span
	for _, read := range reads {
		spans, from := w.request(read, limit)
		all = append(all, spans...)
		if from == nil {
			continue
		}
		for _, s := range spans {
			from.placed(s.high)
		}
		from.waited()
	}
	return all
}

func sequence(low, high, n int64) []span {
	var reads []span
	for ; low < high; low += n {
		reads = append(reads, span{low, min(low+n, high)})
	}
	return reads
}

func bytesOf(spans []span) int64 {
	var n int64
	for _, s := range spans {
		n += s.high - s.low
	}
	return n
}

func TestWindowFetchesSmallObjectWhole(t *testing.T) {
	for _, size := range []int64{1, blockSize, firstWindow - 1, firstWindow} {
		w := &window{size: size, parallel: 32}
		got := readAhead(w, 64*mib, span{size - 1, size})
		if len(got) != 1 || got[0] != (span{0, size}) {
			t.Errorf("size %d: got %v, want the whole object once", size, got)
		}
	}
}

func TestWindowStartsWithOneRequest(t *testing.T) {
	for name, first := range map[string]span{
		"at the start":           {0, 128 * kib},
		"overtaking the start":   {128 * kib, 256 * kib},
		"large":                  {0, mib},
		"a few bytes":            {0, 1},
		"overtaking, as 1 MiB":   {mib, 2 * mib},
		"overtaking by a little": {256 * kib, 768 * kib},
	} {
		w := &window{size: gib, parallel: 32}
		got := readAhead(w, 64*mib, first)
		if len(got) != 1 || got[0] != (span{0, firstWindow}) {
			t.Errorf("%s: got %v, want [{0 %d}]", name, got, firstWindow)
		}
	}
}

func TestWindowFetchesEachByteOfASequenceOnceInWholeParts(t *testing.T) {
	for _, n := range []int64{4 * kib, 128 * kib, mib} {
		w := &window{size: gib + 12345, parallel: 32}
		got := readAhead(w, 64*mib, sequence(0, w.size, n)...)
		var next int64
		for _, s := range got {
			if s.low != next {
				t.Fatalf("reads of %d: span %v follows offset %d", n, s, next)
			}
			next = s.high
		}
		if next != w.size {
			t.Errorf("reads of %d: fetched up to %d, want %d", n, next, w.size)
		}
		if most := gib/minPart + 16; len(got) > most {
			t.Errorf("reads of %d: %d requests, want at most %d", n, len(got), most)
		}
	}
}

func TestWindowReachesItsLimitEarlyAndKeepsIt(t *testing.T) {
	const limit = 64 * mib
	w := &window{size: gib, parallel: 32}
	reads := sequence(0, 512*mib, 128*kib)
	var reached int64
	for _, read := range reads {
		readAhead(w, limit, read)
		s := w.streams[0]
		if ahead := s.ahead - s.next; ahead > limit {
			t.Fatalf("%d bytes ahead at %d, limit %d", ahead, s.next, limit)
		} else if ahead >= limit-minPart && reached == 0 {
			reached = s.next
		}
	}
	if reached == 0 || reached > limit/2 {
		t.Errorf("whole window at offset %d, want by %d", reached, limit/2)
	}
}

func TestWindowStaysSmallWhileReaderNeverWaits(t *testing.T) {
	w := &window{size: gib, parallel: 32}
	for _, read := range sequence(0, 64*mib, 128*kib) {
		spans, s := w.request(read, 64*mib)
		for _, p := range spans {
			s.placed(p.high)
		}
		if s.ahead-s.next > firstWindow {
			t.Fatalf("%d bytes ahead at %d", s.ahead-s.next, s.next)
		}
	}
}

func TestWindowFetchesNothingAheadOfRandomReads(t *testing.T) {
	w := &window{size: gib, parallel: 32}
	for i := range int64(1000) {
		low := (i*7919*mib + 64*mib) % gib
		if got := readAhead(w, 64*mib, span{low, low + 4*kib}); len(got) > 0 {
			t.Fatalf("read %d at %d: got %v", i, low, got)
		}
	}
}

func TestWindowFollowsASequenceOutOfOrder(t *testing.T) {
	order := []int64{2, 0, 1, 5, 7, 3, 4, 6}
	var reads []span
	for base := int64(0); base < 64; base += 8 {
		for _, i := range order {
			reads = append(reads, span{(base + i) * mib, (base + i + 1) * mib})
		}
	}
	w := &window{size: gib, parallel: 32}
	got := readAhead(w, 32*mib, reads...)
	if n := len(w.streams); n != 1 {
		t.Errorf("%d streams, want 1", n)
	}
	if end := got[len(got)-1].high; end < 90*mib {
		t.Errorf("fetched up to %d MiB after 64 MiB were read, want 90 and more", end/mib)
	}
}

func TestWindowFollowsSeveralPlacesAtATime(t *testing.T) {
	w := &window{size: gib, parallel: 32}
	var got []span
	for i := range int64(64) {
		for _, place := range []int64{0, 300 * mib, 700 * mib} {
			got = append(got, readAhead(w, 16*mib, span{place + i*mib, place + (i+1)*mib})...)
		}
	}
	if n := len(w.streams); n != 3 {
		t.Errorf("%d streams, want 3", n)
	}
	if n := bytesOf(got); n < 3*64*mib || n > 3*(64+16)*mib {
		t.Errorf("fetched %d MiB for 192 MiB read", n/mib)
	}
}

func TestWindowGoesOnAfterAShortSeek(t *testing.T) {
	w := &window{size: gib, parallel: 32}
	readAhead(w, 64*mib, sequence(0, 32*mib, mib)...)
	got := readAhead(w, 64*mib, sequence(40*mib, 72*mib, mib)...)
	if n := len(w.streams); n != 1 || len(got) == 0 {
		t.Errorf("%d streams and %d spans after the seek, want 1 and some", n, len(got))
	}
}

func TestWindowAsksAgainForWhatWasEvicted(t *testing.T) {
	w := &window{size: gib, parallel: 32}
	readAhead(w, 64*mib, sequence(0, 32*mib, mib)...)
	read := span{32 * mib, 33 * mib}
	_, s := w.request(read, 64*mib)
	s.missed(read, w.size)
	next := span{33 * mib, 34 * mib}
	if got := readAhead(w, 64*mib, next); len(got) == 0 || got[0].low != next.low {
		t.Errorf("after a miss: got %v, want spans from %d on", got, next.low)
	}
}

// TestWindowInvariants reads anything in any order.
func TestWindowInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Int64Range(1, 256*mib).Draw(t, "size")
		limit := rapid.Int64Range(mib, 64*mib).Draw(t, "limit")
		w := &window{size: size, parallel: rapid.Int64Range(1, 64).Draw(t, "parallel")}
		for range rapid.IntRange(1, 100).Draw(t, "reads") {
			low := drawOffset(t, w)
			read := span{low, min(low+rapid.Int64Range(1, mib).Draw(t, "length"), size)}
			spans, s := w.request(read, limit)
			checkSpans(t, w, spans, s, limit)
			if s == nil {
				continue
			}
			for _, p := range spans {
				s.placed(p.high)
				if rapid.IntRange(0, 9).Draw(t, "no room") == 0 {
					break
				}
			}
			if rapid.Bool().Draw(t, "waited") {
				s.waited()
			}
		}
	})
}

// drawOffset is anywhere, or where some stream goes on.
func drawOffset(t *rapid.T, w *window) int64 {
	if len(w.streams) > 0 && rapid.Bool().Draw(t, "in sequence") {
		s := rapid.SampledFrom(w.streams).Draw(t, "stream")
		return min(max(s.next+rapid.Int64Range(-mib, mib).Draw(t, "jitter"), 0), w.size-1)
	}
	return rapid.Int64Range(0, w.size-1).Draw(t, "offset")
}

func checkSpans(t *rapid.T, w *window, spans []span, s *stream, limit int64) {
	if len(w.streams) > maxStreams {
		t.Fatalf("%d streams", len(w.streams))
	}
	var low int64
	if s != nil {
		low = s.ahead
	}
	for _, p := range spans {
		if p.low < low || p.low >= p.high || p.high > w.size {
			t.Fatalf("span %v: want within [%d, %d)", p, low, w.size)
		}
		if p.low%blockSize != 0 || p.high%blockSize != 0 && p.high != w.size {
			t.Fatalf("span %v does not consist of blocks", p)
		}
		low = p.high
	}
	if s == nil {
		return
	}
	bound := max(s.head, s.next+min(limit, aheadPerRead*s.read))
	if ceiling := ceilBlock(bound, w.size); low > ceiling && len(spans) > 0 {
		t.Fatalf("fetched up to %d with %d read in sequence up to %d: want at most %d", low, s.read, s.next, ceiling)
	}
}

func BenchmarkWindowSequential(b *testing.B) {
	w := &window{size: 1 << 60, parallel: 32}
	var low int64
	for b.Loop() {
		spans, s := w.request(span{low, low + 128*kib}, 64*mib)
		for _, p := range spans {
			s.placed(p.high)
		}
		s.waited()
		low += 128 * kib
	}
}

func BenchmarkWindowRandom(b *testing.B) {
	w := &window{size: 1 << 50, parallel: 32}
	var i int64
	for b.Loop() {
		low := i * 7919 * mib % (1 << 50)
		w.request(span{low, low + 4*kib}, 64*mib)
		i++
	}
}
