package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"ncloudfs/remote"
)

// fill acquires blocks first to last of c for reader and makes the new ones
// ready. The caller releases what it returns.
func fill(t interface{ Fatalf(string, ...any) }, b *Blocks, c *content, reader uint64, first, last int64) *demand {
	d := &demand{content: c, reader: reader, first: first, last: last, parallel: 1}
	if err := b.acquire(context.Background(), d); err != nil {
		t.Fatalf("acquire: %v", err)
	}
	finish(b, d)
	return d
}

// finish makes the new blocks of d ready, as its fetches would; only their
// heads get content.
func finish(b *Blocks, d *demand) {
	for _, run := range d.runs {
		for _, k := range run {
			fillContent(head(k), k.content.version.ETag, k.index*blockSize)
			b.filled(k)
		}
		b.mu.Lock()
		b.fetching--
		b.mu.Unlock()
	}
}

func head(k *block) []byte { return k.data[:min(len(k.data), 64)] }

// present counts the blocks of v.
func present(b *Blocks, v Version) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c := b.findLocked(v); c != nil {
		return len(c.blocks)
	}
	return 0
}

func TestBlocksStayWithinTheirLimit(t *testing.T) {
	b := NewBlocks(BlocksOptions{Limit: 16 * mib})
	for i := range 1000 {
		v := version(fmt.Sprint("small", i), int64(i*97))
		b.Store(v, contentOf(v))
		if n := b.Bytes(); n > 16*mib {
			t.Fatalf("%d bytes after %d objects", n, i)
		}
	}
	c := b.open(version("large", gib))
	for index := range int64(1000) {
		b.release(fill(t, b, c, 1, index, index).held)
	}
	if n := b.Bytes(); n > 16*mib || n < 15*mib {
		t.Errorf("%d bytes after a large object, want nearly 16 MiB", n)
	}
	checkIdle(t, b)
}

func TestMemoryOfLargeObjectsGoesBackForSmallOnes(t *testing.T) {
	b := NewBlocks(BlocksOptions{Limit: minLimit})
	c := b.open(version("large", gib))
	for index := range int64(200) {
		b.release(fill(t, b, c, 1, index, index).held)
	}
	b.close(c, nil)
	for i := range 1000 {
		v := version(fmt.Sprint("small", i), 10_000)
		b.Store(v, contentOf(v))
		checkIdle(t, b)
	}
	if n := len(b.arena.cold); n < 100 {
		t.Errorf("%d blocks of memory were given back, want nearly all", n)
	}
	b.release(fill(t, b, b.open(version("again", gib)), 1, 0, 99).held)
	checkIdle(t, b)
}

func TestScanLeavesWhatIsUsedAgain(t *testing.T) {
	b := NewBlocks(BlocksOptions{Limit: 16 * mib})
	hot := version("hot", 4*mib)
	c := b.open(hot)
	b.release(fill(t, b, c, 1, 0, 63).held)
	b.release(fill(t, b, c, 2, 0, 63).held)
	scan := b.open(version("scan", gib))
	for index := range int64(2048) {
		for range 3 {
			b.release(fill(t, b, scan, 3, index, index).held)
		}
	}
	if n := present(b, hot); n != 64 {
		t.Errorf("%d of 64 blocks survived the scan", n)
	}
}

func TestScanKeepsWhatItFetchedAhead(t *testing.T) {
	b := NewBlocks(BlocksOptions{Limit: 16 * mib})
	c := b.open(version("scan", gib))
	const ahead = 120 // blocks: nearly half of the limit
	for index := range int64(2048) {
		d := &demand{content: c, reader: 1, first: index, last: index, parallel: 32,
			ahead: []span{{index * blockSize, (index + ahead) * blockSize}}}
		if err := b.acquire(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		if index > 0 && d.missed {
			t.Fatalf("block %d was evicted before it was read", index)
		}
		if n := len(d.runs); n != 1 {
			t.Fatalf("block %d: %d runs", index, n)
		} else if index > 0 && len(d.runs[0]) != 1 {
			t.Fatalf("block %d: %d blocks again", index, len(d.runs[0]))
		}
		finish(b, d)
		b.release(d.held)
	}
}

func TestBlocksInUseAreKept(t *testing.T) {
	b := NewBlocks(BlocksOptions{Limit: minLimit})
	v := version("used", mib)
	d := fill(t, b, b.open(v), 1, 0, 15)
	scan := b.open(version("scan", gib))
	for index := range int64(500) {
		b.release(fill(t, b, scan, 2, index, index).held)
	}
	b.Forget(v.Path)
	want := contentOf(v)
	for i, k := range d.held {
		if !bytes.HasPrefix(want[i*blockSize:], head(k)) {
			t.Fatalf("block %d changed while in use", i)
		}
	}
	b.release(d.held)
	checkIdle(t, b)
}

func TestDemandWaitsForRoomInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBlocks(BlocksOptions{Limit: minLimit})
		c := b.open(version("object", gib))
		full := fill(t, b, c, 1, 0, minLimit/(blockSize+blockOverhead)-1)
		served := make(chan int64, 3)
		for i := range int64(3) {
			go func() {
				d := fill(t, b, c, 1, 1000+i*100, 1000+i*100+99) // one at a time fits
				served <- i
				b.release(d.held)
			}()
			synctest.Wait()
		}
		ahead := &demand{content: c, reader: 1, parallel: 32, ahead: []span{{500 * blockSize, 510 * blockSize}}}
		if err := b.acquire(t.Context(), ahead); err != nil || len(ahead.runs) != 0 {
			t.Errorf("%d fetches ahead while others wait, error %v", len(ahead.runs), err)
		}
		b.release(ahead.held)
		if n := len(served); n != 0 {
			t.Fatalf("%d served without room", n)
		}
		b.release(full.held)
		for i := range int64(3) {
			if got := <-served; got != i {
				t.Errorf("served %d, want %d", got, i)
			}
		}
		synctest.Wait()
		checkIdle(t, b)
	})
}

func TestWaitForRoomEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBlocks(BlocksOptions{Limit: minLimit})
		c := b.open(version("object", gib))
		full := fill(t, b, c, 1, 0, minLimit/(blockSize+blockOverhead)-1)
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error)
		go func() { failed <- b.acquire(ctx, &demand{content: c, reader: 1, first: 500, last: 500}) }()
		synctest.Wait()
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want Canceled", err)
		}
		b.release(full.held)
		checkIdle(t, b)
	})
}

func TestReadaheadLeavesHalfForDemands(t *testing.T) {
	b := NewBlocks(BlocksOptions{Limit: 16 * mib})
	c := b.open(version("object", gib))
	d := &demand{content: c, reader: 1, parallel: 32, ahead: []span{{0, 100 * mib}}}
	if err := b.acquire(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if b.pinned > 8*mib || b.pinned < 7*mib || d.until%blockSize != 0 || d.until > 8*mib {
		t.Errorf("%d bytes in use up to offset %d, want nearly 8 MiB", b.pinned, d.until)
	}
	finish(b, d)
	b.release(d.held)
	checkIdle(t, b)
}

func TestReadaheadEndsAtTheNumberOfFetches(t *testing.T) {
	b := NewBlocks(BlocksOptions{Limit: 64 * mib})
	c := b.open(version("object", gib))
	d := &demand{content: c, reader: 1, first: 0, last: 0, parallel: 3}
	for i := range int64(8) {
		d.ahead = append(d.ahead, span{i * mib, (i + 1) * mib})
	}
	if err := b.acquire(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if len(d.runs) != 3 || d.until != 3*mib {
		t.Errorf("%d fetches up to %d, want 3 up to %d", len(d.runs), d.until, 3*mib)
	}
	finish(b, d)
	b.release(d.held)
}

func TestForgetDropsWhatNobodyHasOpen(t *testing.T) {
	b := NewBlocks(BlocksOptions{})
	first, second := version("object", mib), version("object", mib)
	second.ETag = "e2"
	b.Store(first, contentOf(first))
	b.Store(second, contentOf(second))
	c := b.open(second)
	b.Forget(first.Path)
	if present(b, first) != 0 || present(b, second) != 16 {
		t.Errorf("%d and %d blocks, want 0 and 16", present(b, first), present(b, second))
	}
	b.close(c, nil)
	b.Forget(first.Path)
	if n := b.Bytes(); n != 0 || len(b.contents) != 0 {
		t.Errorf("%d bytes, %d paths left", n, len(b.contents))
	}
}

func TestMoveJoinsWhatBothVersionsHave(t *testing.T) {
	b := NewBlocks(BlocksOptions{})
	old, now := version("old", mib), version("now", mib)
	now.ETag = old.ETag
	onOld, onNow := b.open(old), b.open(now)
	inView := fill(t, b, onOld, 1, 0, 7)
	b.release(fill(t, b, onNow, 2, 4, 11).held)
	b.Move(old, now)
	if present(b, old) != 0 || present(b, now) != 12 {
		t.Errorf("%d and %d blocks, want 0 and 12", present(b, old), present(b, now))
	}
	d := fill(t, b, onOld, 1, 0, 15)
	if len(d.runs) != 1 || len(d.runs[0]) != 4 {
		t.Errorf("reader of the old version fetches %d runs, want 1 of 4 blocks", len(d.runs))
	}
	b.release(d.held)
	b.release(inView.held)
	b.close(onOld, nil)
	b.close(onNow, nil)
	checkIdle(t, b)
	b.Forget(now.Path)
	if n := b.Bytes(); n != 0 {
		t.Errorf("%d bytes left", n)
	}
}

func TestMoveBetweenSizesIsNone(t *testing.T) {
	b := NewBlocks(BlocksOptions{})
	old, now := version("old", mib), version("now", mib+1)
	b.Store(old, contentOf(old))
	b.Move(old, now)
	if present(b, old) != 16 || present(b, now) != 0 {
		t.Errorf("%d and %d blocks, want 16 and 0", present(b, old), present(b, now))
	}
}

func TestStoreOfWrongLengthKeepsNothing(t *testing.T) {
	b := NewBlocks(BlocksOptions{})
	b.Store(version("object", 10), make([]byte, 9))
	if n := b.Bytes(); n != 0 || len(b.contents) != 0 {
		t.Errorf("%d bytes, %d paths", n, len(b.contents))
	}
}

// TestBlocksInvariants does anything to a small cache, and adds up after each step.
func TestBlocksInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := NewBlocks(BlocksOptions{Limit: minLimit})
		names := []remote.Path{version("a", 0).Path, version("b", 0).Path, version("c", 0).Path}
		draw := func(t *rapid.T) Version {
			return Version{Path: rapid.SampledFrom(names).Draw(t, "path"), ETag: "e1",
				Size: rapid.SampledFrom([]int64{1, 100_000, 20*mib + 1}).Draw(t, "size")}
		}
		var open []*content
		var held [][]*block
		t.Repeat(map[string]func(*rapid.T){
			"store": func(t *rapid.T) {
				if v := draw(t); v.Size <= 100_000 {
					b.Store(v, contentOf(v))
				}
			},
			"move":   func(t *rapid.T) { b.Move(draw(t), draw(t)) },
			"forget": func(t *rapid.T) { b.Forget(rapid.SampledFrom(names).Draw(t, "path")) },
			"open":   func(t *rapid.T) { open = append(open, b.open(draw(t))) },
			"close": func(t *rapid.T) {
				if len(open) > 0 {
					b.close(open[0], errors.New("closed"))
					open = open[1:]
				}
			},
			"read": func(t *rapid.T) {
				if len(open) == 0 || len(held) >= 4 {
					return
				}
				c := rapid.SampledFrom(open).Draw(t, "content")
				last := (c.current().version.Size - 1) / blockSize
				first := rapid.Int64Range(0, last).Draw(t, "first")
				d := fill(t, b, c, rapid.Uint64Range(1, 3).Draw(t, "reader"), first, min(last, first+15))
				checkHeld(t, d.held)
				held = append(held, d.held)
			},
			"release": func(t *rapid.T) {
				if len(held) > 0 {
					checkHeld(t, held[0])
					b.release(held[0])
					held = held[1:]
				}
			},
			"": func(t *rapid.T) {
				if n := b.Bytes(); n > minLimit {
					t.Fatalf("%d bytes", n)
				}
			},
		})
		for _, h := range held {
			checkHeld(t, h)
			b.release(h)
		}
		for _, c := range open {
			b.close(c, errors.New("closed"))
		}
		checkIdle(t, b)
		for _, p := range names {
			b.Forget(p)
		}
		if b.Bytes() != 0 || len(b.contents) != 0 {
			t.Fatalf("%d bytes and %d paths left", b.Bytes(), len(b.contents))
		}
	})
}

// checkHeld compares blocks in use with what their version holds.
func checkHeld(t *rapid.T, held []*block) {
	for _, k := range held {
		want := make([]byte, len(head(k)))
		fillContent(want, k.content.current().version.ETag, k.index*blockSize)
		if !bytes.Equal(head(k), want) {
			t.Fatalf("block %d has other bytes", k.index)
		}
	}
}

func BenchmarkBlocksHit(b *testing.B) {
	blocks := NewBlocks(BlocksOptions{})
	c := blocks.open(version("object", gib))
	blocks.release(fill(b, blocks, c, 1, 0, 15).held)
	b.SetBytes(mib)
	for b.Loop() {
		d := &demand{content: c, reader: 1, first: 0, last: 15}
		if blocks.acquire(b.Context(), d) == nil {
			blocks.release(d.held)
		}
	}
}

func BenchmarkBlocksMissAndEvict(b *testing.B) {
	blocks := NewBlocks(BlocksOptions{})
	c := blocks.open(version("object", 1<<50))
	b.SetBytes(mib)
	var index int64
	for b.Loop() {
		d := &demand{content: c, reader: 1, first: index, last: index + 15}
		if blocks.acquire(b.Context(), d) != nil {
			b.Fatal("no room")
		}
		for _, k := range d.runs[0] {
			blocks.filled(k)
		}
		blocks.release(d.held)
		index += 16
	}
}
