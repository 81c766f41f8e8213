package cache

import (
	"context"
	"errors"
	"hash/crc32"
	"io/fs"
	"sync"
)

const (
	// fillQueue is how many blocks may wait to be stored; they take memory of
	// Blocks meanwhile, so at most a quarter of that.
	fillQueue = 256

	// sealSize is from which size on a complete version is sealed, in bytes:
	// smaller ones are read with one request to us, and would cost an fdatasync
	// each.
	sealSize = 1 << 20

	// sealQueue is how many versions wait for that; others are, when they are
	// opened again.
	sealQueue = 64
)

// filler stores blocks behind the readers.
type filler struct {
	blocks *Blocks
	queue  chan offer
	seals  chan *tierFile // a user each
	ended  sync.WaitGroup
}

// offer is a block to be stored, with a reference.
type offer struct {
	version Version
	block   *block
}

// startFill begins to store what is offered.
func (t *Tier) startFill(b *Blocks) {
	if t == nil {
		return
	}
	t.fill = filler{blocks: b, seals: make(chan *tierFile, sealQueue),
		queue: make(chan offer, min(fillQueue, b.limit/4/blockSize))}
	t.fill.ended.Go(t.storeAll)
	t.fill.ended.Go(t.sealAll)
}

// offer stores a block of v that is ready, or will be at once, if there is time
// for it.
func (t *Tier) offer(v Version, k *block) {
	if t == nil || v.Size > t.limit/2 || v.ETag == "" {
		return
	}
	t.fill.blocks.retain(k)
	select {
	case t.fill.queue <- offer{v, k}:
	default:
		t.fill.blocks.release([]*block{k})
	}
}

// offerAll offers every block of v that is ready.
func (t *Tier) offerAll(v Version) {
	if t == nil {
		return
	}
	for _, k := range t.fill.blocks.retainReady(v) {
		t.offer(v, k)
		t.fill.blocks.release([]*block{k})
	}
}

// storeAll ends once nothing is offered any more.
func (t *Tier) storeAll() {
	defer close(t.fill.seals)
	for o := range t.fill.queue {
		t.store(o.version, o.block.index, o.block.data)
		t.fill.blocks.release([]*block{o.block})
	}
}

// store writes one block, if it is not there.
func (t *Tier) store(v Version, index int64, data []byte) {
	f := t.open(v)
	if f == nil {
		f = t.create(v)
	}
	if f == nil {
		return
	}
	defer t.close(f)
	if !f.lacks(index) {
		return
	}
	if err := t.write(f, index, data); err != nil {
		t.log.Debug("a block is not cached", "path", v.Path, "err", err)
		if f.isEmpty() {
			t.drop(f)
		}
		return
	}
	f.note(index, crc32.Checksum(data, castagnoli()))
	t.late(f)
	if isComplete, _ := f.isComplete(); isComplete {
		t.sealLater(f)
	}
}

var errTierFull = errors.New("no room in the cache")

func (t *Tier) write(f *tierFile, index int64, data []byte) error {
	if !t.reserve(f, int64(len(data))) {
		return errTierFull
	}
	_, err := f.data.WriteAt(data, index*blockSize)
	return err
}

// sealLater seals a complete file, if that is worth it and there is time.
func (t *Tier) sealLater(f *tierFile) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if f.version.Size < sealSize || f.gone {
		return
	}
	select {
	case t.fill.seals <- f:
		t.useLocked(f)
	default:
	}
}

func (t *Tier) sealAll() {
	for f := range t.fill.seals {
		t.seal(f)
		t.close(f)
	}
}

// seal makes a complete file one that the kernel may read.
func (t *Tier) seal(f *tierFile) {
	if isComplete, isSealed := f.isComplete(); !isComplete || isSealed {
		return
	}
	ok, bad, err := f.secure()
	switch {
	case err != nil:
		t.log.Warn("a version in the cache cannot be made safe", "err", err)
		t.drop(f)
		return
	case bad >= 0:
		t.forget(f, bad)
	}
	if !ok {
		return
	}
	if err := t.record(f); err != nil {
		t.log.Debug("a version is not recorded in the cache", "err", err)
	}
}

// read fills block k; false: it is not there. A bad one is dropped.
func (t *Tier) read(f *tierFile, k *block) bool {
	err := f.read(k.index, k.data)
	if err == nil {
		return true
	}
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	t.log.Warn("a block in the cache is bad, and is fetched again", "err", err)
	t.forget(f, k.index)
	return false
}

// forget drops a bad block, or where the kernel reads the file, all of it.
func (t *Tier) forget(f *tierFile, index int64) {
	if f.forget(t, index) {
		t.late(f)
	} else {
		t.drop(f)
	}
}

// fromTier fills blocks of the run from its start, then from its end, as far as
// the disk has them: what is left is one request. It returns what is left.
func (t *fetch) fromTier(ctx context.Context, run []*block) []*block {
	tier := t.fetcher.tier
	f := tier.open(t.fetcher.blocks.version(t.content))
	if f == nil {
		return run
	}
	defer tier.close(f)
	for len(run) > 0 && ctx.Err() == nil && tier.read(f, run[0]) {
		t.fetcher.blocks.filled(run[0])
		run = run[1:]
	}
	for len(run) > 0 && ctx.Err() == nil && tier.read(f, run[len(run)-1]) {
		t.fetcher.blocks.filled(run[len(run)-1])
		run = run[:len(run)-1]
	}
	return run
}

// Close stores what was offered, writes what the records lack, and gives the
// directory up. Nothing may use the Tier any more. More than one call is
// harmless.
func (t *Tier) Close() {
	if t == nil {
		return
	}
	t.closing.Do(func() {
		close(t.fill.queue)
		t.fill.ended.Wait()
		t.mu.Lock()
		if t.timer != nil {
			t.timer.Stop()
		}
		t.mu.Unlock()
		t.flush()
		t.closeDir()
	})
}
