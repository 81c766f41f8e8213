package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"ncloudfs/remote"
)

func TestSmallObjectIsExactlyOneGet(t *testing.T) {
	for _, size := range []int64{1, 4095, blockSize, blockSize + 1, firstWindow} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			v := version("small", size)
			b := newBucket(v)
			f := b.fetcher(t, FetcherOptions{}, 0)
			for range 3 {
				r := f.Reader(v)
				mustRead(t, r, 0, 128*kib)
				mustRead(t, r, size-1, 128*kib)
				mustRead(t, r, size, 4096)
				r.Close()
			}
			want := get{1, "/bucket/small", span{0, size}, string(v.ETag)}
			if got := b.seen(); len(got) != 1 || got[0] != want {
				t.Errorf("requests: got %+v, want [%+v]", got, want)
			}
		})
	}
}

func TestEmptyObjectIsNoGet(t *testing.T) {
	v := version("empty", 0)
	b := newBucket(v)
	r := b.fetcher(t, FetcherOptions{}, 0).Reader(v)
	defer r.Close()
	mustRead(t, r, 0, 4096)
	if n := len(b.seen()); n != 0 {
		t.Errorf("%d requests", n)
	}
}

func TestSequentialReadFetchesEachByteOnceInWholeParts(t *testing.T) {
	v := version("large", 100*mib+777)
	b := newBucket(v)
	r := b.fetcher(t, FetcherOptions{}, 64*mib).Reader(v)
	defer r.Close()
	for off := int64(0); off < v.Size; off += 128 * kib {
		mustRead(t, r, off, 128*kib)
	}
	checkFetchedOnce(t, b, v)
	if n, most := len(b.seen()), 100*mib/minPart+16; n > most {
		t.Errorf("%d requests, want at most %d", n, most)
	}
}

// checkFetchedOnce compares the requests with one pass over v.
func checkFetchedOnce(t *testing.T, b *bucket, v Version) {
	t.Helper()
	var bytes int64
	for _, g := range b.seen() {
		bytes += g.span.high - g.span.low
		if g.ifMatch != string(v.ETag) {
			t.Errorf("request %+v without If-Match %q", g, v.ETag)
		}
	}
	if bytes != v.Size {
		t.Errorf("fetched %d bytes in %d requests, want %d", bytes, len(b.seen()), v.Size)
	}
}

func TestReadersOfOneVersionShareFetches(t *testing.T) {
	v := version("shared", 24*mib)
	b := newBucket(v)
	f := b.fetcher(t, FetcherOptions{}, 128*mib)
	var group errgroup.Group
	for range 4 {
		r := f.Reader(v)
		t.Cleanup(r.Close)
		group.Go(func() error { return readAll(t.Context(), r, mib) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	checkFetchedOnce(t, b, v)
}

// readAll reads r from start to end, several requests at a time as the
// kernel's readahead does.
func readAll(ctx context.Context, r *Reader, n int) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(outOfOrder)
	for off := int64(0); off < r.version.Size; off += int64(n) {
		group.Go(func() error {
			view, err := r.Read(ctx, off, n)
			if err != nil {
				return err
			}
			return checkView(view, r.version, off, n)
		})
	}
	return group.Wait()
}

func TestRandomReadFetchesOnlyItsBlocks(t *testing.T) {
	v := version("random", gib)
	b := newBucket(v)
	r := b.fetcher(t, FetcherOptions{}, 0).Reader(v)
	defer r.Close()
	offsets := []int64{500 * mib, 100 * mib, 900*mib - 1, 300*mib + 5}
	for _, off := range offsets {
		mustRead(t, r, off, 4096)
	}
	for i, g := range b.seen() {
		want := span{floorBlock(offsets[i]), ceilBlock(offsets[i]+4096, v.Size)}
		if g.span != want {
			t.Errorf("read at %d fetched %v, want %v", offsets[i], g.span, want)
		}
	}
	if n := len(b.seen()); n != len(offsets) {
		t.Errorf("%d requests, want %d", n, len(offsets))
	}
}

func TestReadBehindFetchesWhatWasEvicted(t *testing.T) {
	v := version("behind", 40*mib)
	b := newBucket(v)
	r := b.fetcher(t, FetcherOptions{}, minLimit).Reader(v)
	defer r.Close()
	for off := int64(0); off < v.Size; off += mib {
		mustRead(t, r, off, mib)
	}
	mustRead(t, r, 0, mib)
	mustRead(t, r, 20*mib, mib)
}

func TestReadOfAnotherVersionFails(t *testing.T) {
	v := version("object", 5*mib)
	for name, damage := range map[string]func(*bucket){
		"412":               func(b *bucket) { o := v; o.ETag = "other"; b.put(o) },
		"another ETag":      func(b *bucket) { b.fault = func(get) fault { return fault{etag: "other"} } },
		"another size":      func(b *bucket) { b.fault = func(get) fault { return fault{total: v.Size + 1} } },
		"another, in part":  func(b *bucket) { b.fault = func(get) fault { return fault{etag: "other", cut: 100} } },
		"replaced and less": func(b *bucket) { o := v; o.ETag, o.Size = "other", 1; b.put(o) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBucket(v)
			damage(b)
			f := b.fetcher(t, FetcherOptions{}, 0)
			r := f.Reader(v)
			if _, err := r.Read(t.Context(), 0, 4096); !errors.Is(err, remote.ErrChanged) {
				t.Errorf("got %v, want ErrChanged", err)
			}
			r.Close()
			if n := f.blocks.Bytes(); n != 0 {
				t.Errorf("%d bytes were kept", n)
			}
		})
	}
}

func TestReadOfRemovedObjectFails(t *testing.T) {
	v := version("gone", 5*mib)
	b := newBucket()
	r := b.fetcher(t, FetcherOptions{}, 0).Reader(v)
	defer r.Close()
	if _, err := r.Read(t.Context(), 0, 4096); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want ErrNotExist", err)
	}
}

func TestEndOfCallerEndsOnlyItsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := version("slow", mib)
		b := newBucket(v)
		b.pace = func(context.Context, int64) { time.Sleep(time.Second) }
		f := b.fetcher(t, FetcherOptions{}, 0)
		r := f.Reader(v)
		defer r.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		if _, err := r.Read(ctx, 0, 4096); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the caller's deadline", err)
		}
		mustRead(t, r, 0, mib)
		if n := len(b.seen()); n != 1 {
			t.Errorf("%d requests, want 1", n)
		}
		f.Close()
	})
}

func TestFirstBlockIsThereBeforeTheBodyEnds(t *testing.T) {
	v := version("streams", firstWindow)
	b := newBucket(v)
	b.fault = func(get) fault { return fault{stall: 5*blockSize + 1} }
	r := b.fetcher(t, FetcherOptions{}, 0).Reader(v)
	defer r.Close()
	mustRead(t, r, 0, 5*blockSize)
}

func TestReaderOpenOnMovedVersionGoesOn(t *testing.T) {
	old := version("old", 50*mib)
	now := old
	now.Path.Key = "new"
	b := newBucket(old)
	f := b.fetcher(t, FetcherOptions{}, 0)
	r := f.Reader(old)
	defer r.Close()
	mustRead(t, r, 0, 4096)
	b.remove(old)
	b.put(now)
	f.blocks.Move(old, now)
	before := len(b.seen())
	other := f.Reader(now)
	defer other.Close()
	mustRead(t, other, 0, 4096)
	if n := len(b.seen()) - before; n != 0 {
		t.Errorf("%d requests for what was moved", n)
	}
	mustRead(t, r, 40*mib, 4096)
}

func TestStoredObjectIsReadWithoutAGet(t *testing.T) {
	v := version("written", 100_000)
	b := newBucket(v)
	f := b.fetcher(t, FetcherOptions{}, 0)
	f.blocks.Store(v, contentOf(v))
	r := f.Reader(v)
	defer r.Close()
	mustRead(t, r, 0, 200_000)
	if n := len(b.seen()); n != 0 {
		t.Errorf("%d requests", n)
	}
}

func TestImpossibleRangesAreRefused(t *testing.T) {
	v := version("object", gib)
	r := newBucket(v).fetcher(t, FetcherOptions{}, 0).Reader(v)
	defer r.Close()
	for _, bad := range []struct {
		off int64
		n   int
	}{{-1, 10}, {0, -1}, {0, 128 * mib}} {
		if _, err := r.Read(t.Context(), bad.off, bad.n); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%+v: got %v, want ErrInvalid", bad, err)
		}
	}
}

// TestAnyReadsReturnTheObjectsBytes lets several readers read anything, in a
// cache that is far too small, over a network that breaks.
func TestAnyReadsReturnTheObjectsBytes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var versions []Version
		for i := range rapid.IntRange(1, 3).Draw(rt, "objects") {
			size := rapid.Int64Range(1, 24*mib).Draw(rt, "size")
			versions = append(versions, version(fmt.Sprint("object", i), size))
		}
		b := newBucket(versions...)
		breaks := rapid.IntRange(2, 20).Draw(rt, "breaks")
		b.fault = func(g get) fault {
			if g.number%breaks == 0 {
				return fault{cut: 1 + int64(g.number)*7919%(2*mib)}
			}
			return fault{}
		}
		f := b.fetcher(t, FetcherOptions{Parallel: 4}, minLimit)
		defer f.Close()
		if rapid.Bool().Draw(rt, "heap") {
			f.blocks.arena = &arena{slot: blockSize} // the race detector sees only the heap
		}
		var readers sync.WaitGroup
		loans := rapid.SliceOfN(rapid.Int64Range(1, f.blocks.lendable()), 0, 8).Draw(rt, "loans")
		readers.Go(func() {
			for _, n := range loans {
				if err := f.blocks.borrow(t.Context(), n); err != nil {
					t.Error(err)
					return
				}
				runtime.Gosched()
				f.blocks.giveBack(n)
			}
		})
		for range rapid.IntRange(1, 4).Draw(rt, "readers") {
			v := rapid.SampledFrom(versions).Draw(rt, "version")
			reads := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) span {
				low := rapid.Int64Range(0, v.Size).Draw(rt, "offset")
				return span{low, low + rapid.Int64Range(1, mib).Draw(rt, "length")}
			}), 1, 12).Draw(rt, "reads")
			isSequential := rapid.Bool().Draw(rt, "sequential")
			readers.Go(func() {
				r := f.Reader(v)
				defer r.Close()
				var next int64
				for _, s := range reads {
					if isSequential {
						s, next = span{next, next + s.high - s.low}, next+s.high-s.low
					}
					view, err := r.Read(t.Context(), s.low, int(s.high-s.low))
					if err == nil {
						err = checkView(view, v, s.low, int(s.high-s.low))
					}
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		readers.Wait()
		f.Close()
		checkIdle(rt, f.blocks)
	})
}

// checkIdle fails unless nothing is in use and the sums are right.
func checkIdle(t interface{ Fatalf(string, ...any) }, b *Blocks) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var sum int64
	for _, contents := range b.contents {
		for _, c := range contents {
			for _, k := range c.blocks {
				sum += k.charge
			}
		}
	}
	if b.arena.idle()+b.charged > b.roomLocked() {
		t.Fatalf("%d bytes of blocks and %d of idle memory", b.charged, b.arena.idle())
	}
	if b.pinned != 0 || b.fetching != 0 || len(b.queue) != 0 {
		t.Fatalf("idle cache: %d bytes pinned, %d fetches, %d waiting", b.pinned, b.fetching, len(b.queue))
	}
	if sum != b.charged || sum != b.probation.bytes+b.protected.bytes || sum > b.roomLocked() {
		t.Fatalf("blocks of %d bytes, charged %d, segments %d and %d, limit %d",
			sum, b.charged, b.probation.bytes, b.protected.bytes, b.limit)
	}
}

func BenchmarkSequentialRead(b *testing.B) {
	v := version("bench", 1<<50)
	store := newBucket(v)
	r := store.fetcher(b, FetcherOptions{}, 128*mib).Reader(v)
	defer r.Close()
	b.SetBytes(mib)
	var off int64
	for b.Loop() {
		view, err := r.Read(b.Context(), off, mib)
		if err != nil {
			b.Fatal(err)
		}
		view.Release()
		off += mib
	}
}
