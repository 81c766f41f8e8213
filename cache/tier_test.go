package cache

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// tiered is a Fetcher on a bucket, with a disk tier.
type tiered struct {
	*bucket
	dir   string
	limit int64
	f     *Fetcher
}

// onDisk returns a bucket of versions whose Fetchers keep what they read in
// one directory.
func onDisk(t testing.TB, limit int64, versions ...Version) *tiered {
	d := &tiered{bucket: newBucket(versions...), dir: t.TempDir(), limit: limit}
	d.mount(t)
	return d
}

// mount begins a new Fetcher, as a new mount does.
func (d *tiered) mount(t testing.TB) {
	t.Helper()
	tier, err := openTier(d.dir, "source", d.limit, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	d.f = d.fetcher(t, FetcherOptions{Tier: tier}, 32*mib)
}

// remount ends the Fetcher in good order and begins another.
func (d *tiered) remount(t testing.TB) {
	t.Helper()
	d.f.Close()
	d.mount(t)
}

// read reads all of v, in order, and returns how many requests that took.
func (d *tiered) read(t testing.TB, v Version) int {
	t.Helper()
	before := len(d.seen())
	r := d.f.Reader(v)
	defer r.Close()
	for off := int64(0); off < v.Size; off += 128 * kib {
		mustRead(t, r, off, 128*kib)
	}
	return len(d.seen()) - before
}

// readColdly is read with nothing in memory.
func (d *tiered) readColdly(t testing.TB, v Version) int {
	t.Helper()
	d.f.blocks.Forget(v.Path)
	return d.read(t, v)
}

// settle waits until all that was read is stored, and sealed where it is large.
func (d *tiered) settle(t testing.TB, versions ...Version) {
	t.Helper()
	for _, v := range versions {
		eventually(t, v.Path.Key+" is stored", func() bool {
			f := d.f.tier.open(v)
			if f == nil {
				return false
			}
			defer d.f.tier.close(f)
			isComplete, isSealed := f.isComplete()
			return isComplete && (isSealed || v.Size < sealSize)
		})
	}
	d.f.tier.flush()
}

// path returns the data file of v.
func (d *tiered) path(v Version) string {
	return filepath.Join(d.dir, "blocks/source", dataPath(tierID(v)))
}

func TestTierServesLaterReadersAndLaterMounts(t *testing.T) {
	small, large := version("small", 100), version("large", 5*mib+777)
	d := onDisk(t, gib, small, large)
	d.read(t, small)
	d.read(t, large)
	d.settle(t, small, large)
	for _, v := range []Version{small, large} {
		if n := d.readColdly(t, v); n != 0 {
			t.Errorf("%s again: %d requests", v.Path, n)
		}
	}
	d.remount(t)
	for _, v := range []Version{small, large} {
		if n := d.read(t, v); n != 0 {
			t.Errorf("%s after a remount: %d requests", v.Path, n)
		}
	}
	newer := large
	newer.ETag = "e2"
	d.put(newer)
	if n := d.read(t, newer); n == 0 {
		t.Error("a new version was served from what is there of the old one")
	}
}

func TestTierFetchesWhatIsBadOrMissing(t *testing.T) {
	v := version("object", firstWindow)
	d := onDisk(t, gib, v)
	d.read(t, v)
	d.settle(t, v)
	const bad = 7
	spoil(t, d.path(v), bad*blockSize+5)
	if n := d.readColdly(t, v); n != 1 {
		t.Errorf("with a bad block: %d requests, want 1", n)
	}
	d.settle(t, v)
	if n := d.readColdly(t, v); n != 0 {
		t.Errorf("after it was fetched: %d requests", n)
	}

	f := d.f.tier.open(v)
	d.f.tier.forget(f, bad)
	d.f.tier.close(f)
	before := len(d.seen())
	if n := d.readColdly(t, v); n != 1 {
		t.Errorf("with a hole: %d requests, want 1", n)
	}
	if got, want := d.seen()[before].span, (span{bad * blockSize, (bad + 1) * blockSize}); got != want {
		t.Errorf("fetched %v, want just the hole, %v", got, want)
	}
}

// spoil changes one byte of a file.
func spoil(t testing.TB, path string, off int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, off); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1
	if _, err := f.WriteAt(b, off); err != nil {
		t.Fatal(err)
	}
}

// TestTierBelievesNoRecordAfterACrash: the data or the record is not what a
// crash should have left.
func TestTierBelievesNoRecordAfterACrash(t *testing.T) {
	v := version("object", firstWindow)
	for name, crash := range map[string]func(t *testing.T, d *tiered, record string){
		"data lost":        func(t *testing.T, d *tiered, _ string) { noError(t, os.Remove(d.path(v))) },
		"data cut":         func(t *testing.T, d *tiered, _ string) { noError(t, os.Truncate(d.path(v), 5000)) },
		"record lost":      func(t *testing.T, _ *tiered, record string) { noError(t, os.Remove(record)) },
		"record torn":      func(t *testing.T, _ *tiered, record string) { noError(t, os.Truncate(record, 100)) },
		"record empty":     func(t *testing.T, _ *tiered, record string) { noError(t, os.Truncate(record, 0)) },
		"record damaged":   func(t *testing.T, _ *tiered, record string) { spoil(t, record, 50) },
		"record half made": func(t *testing.T, _ *tiered, record string) { noError(t, os.Rename(record, record+".new")) },
	} {
		t.Run(name, func(t *testing.T) {
			d := onDisk(t, gib, v)
			d.read(t, v)
			d.settle(t, v)
			d.f.Close()
			crash(t, d, filepath.Join(d.dir, "blocks/source", recordPath(tierID(v))))
			d.mount(t)
			if n := d.read(t, v); n != 1 {
				t.Errorf("%d requests, want 1", n)
			}
			d.settle(t, v)
			if n := d.readColdly(t, v); n != 0 {
				t.Errorf("after it was fetched: %d requests", n)
			}
			checkStock(t, d.f)
		})
	}
}

func noError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// checkStock compares what the tier believes to use with what is on the disk,
// once nothing is being stored.
func checkStock(t testing.TB, f *Fetcher) {
	t.Helper()
	checkIdleSoon(t, f)
	tier := f.tier
	tier.flush()
	tier.mu.Lock()
	defer tier.mu.Unlock()
	for _, dir := range []string{"data", "record"} {
		names, err := filepath.Glob(filepath.Join(tier.root.Name(), dir, "*"))
		noError(t, err)
		if len(names) != len(tier.files) {
			t.Errorf("%d files in %s, want %d", len(names), dir, len(tier.files))
		}
	}
	var charged int64
	for _, f := range tier.files {
		charged += f.charge
	}
	if tier.used != charged || tier.used > tier.limit {
		t.Errorf("%d bytes used, %d charged, of %d", tier.used, charged, tier.limit)
	}
}

// TestTierVerifiesBeforeItSeals: a complete version of an earlier mount, which
// that had no time to seal.
func TestTierVerifiesBeforeItSeals(t *testing.T) {
	v := version("object", firstWindow)
	d := onDisk(t, gib, v)
	for name, damage := range map[string]func(){
		"good": func() {},
		"bad":  func() { spoil(t, d.path(v), 70_000) },
	} {
		d.read(t, v)
		d.settle(t, v)
		f := d.f.tier.open(v)
		f.mu.Lock()
		f.sealed = false
		f.mu.Unlock()
		noError(t, d.f.tier.record(f))
		d.f.tier.close(f)
		d.remount(t)
		damage()
		f = d.f.tier.open(v)
		d.f.tier.seal(f)
		if _, isSealed := f.isComplete(); isSealed != (name == "good") {
			t.Errorf("%s: sealed: %v", name, isSealed)
		}
		d.f.tier.close(f)
	}
}

func TestTierKeepsItsBound(t *testing.T) {
	var versions []Version
	for _, key := range strings.Fields("a b c d e f") {
		versions = append(versions, version(key, 2*mib))
	}
	d := onDisk(t, 7*mib, versions...)
	for _, v := range versions {
		d.read(t, v)
		d.settle(t, v)
		checkStock(t, d.f)
		d.readColdly(t, versions[0]) // is used all the time
	}
	kept := map[string]bool{}
	for _, v := range versions {
		kept[v.Path.Key] = d.f.tier.open(v) != nil
	}
	if !kept["a"] || !kept["f"] || kept["b"] || kept["c"] {
		t.Errorf("kept %v, want what was used last", kept)
	}
	large := version("large", 5*mib)
	d.put(large)
	d.read(t, large)
	if f := d.f.tier.open(large); f != nil {
		t.Error("a version of more than half of the limit is kept")
	}
}

func TestTierLeavesSpaceAndGivesWay(t *testing.T) {
	a, b := version("a", mib), version("b", mib)
	d := onDisk(t, gib, a, b)
	left := int64(tierKeepFree + 5*mib/4)
	d.f.tier.spare = func() (int64, error) {
		d.f.tier.free = 0
		return left - d.f.tier.used, nil
	}
	d.read(t, a)
	d.settle(t, a)
	d.read(t, b)
	d.settle(t, b)
	if d.f.tier.open(a) != nil {
		t.Error("both are kept on a disk that has room for one")
	}
	if !d.f.tier.giveWay() {
		t.Error("gives no way to staged data")
	}
	if d.f.tier.giveWay() {
		t.Error("gives what it has not")
	}
	left = 0
	d.readColdly(t, b)
	if n := d.readColdly(t, b); n != 1 {
		t.Errorf("on a full disk: %d requests, want 1", n)
	}
	checkStock(t, d.f)
}

func TestTierNeverWaitsForTheDisk(t *testing.T) {
	v := version("object", 24*mib)
	d := onDisk(t, gib, v)
	f, busy := d.f, make(chan struct{})
	spare := f.tier.spare
	f.tier.spare = func() (int64, error) { // stands for a disk that hangs
		f.tier.mu.Unlock()
		<-busy
		f.tier.mu.Lock()
		return spare()
	}
	if d.read(t, v) == 0 {
		t.Error("read without a request")
	}
	close(busy)
	checkIdleSoon(t, f)
}

// checkIdleSoon waits until no block is held for the tier.
func checkIdleSoon(t testing.TB, f *Fetcher) {
	t.Helper()
	eventually(t, "no block is held", func() bool {
		f.blocks.mu.Lock()
		defer f.blocks.mu.Unlock()
		return f.blocks.pinned == 0
	})
}

func TestTierFollowsOurCopies(t *testing.T) {
	old, now := version("old", 3*mib), version("now", 3*mib)
	now.ETag = old.ETag // the same bytes
	d := onDisk(t, gib, old)
	d.read(t, old)
	d.settle(t, old)
	d.f.tier.move(old, now)
	d.f.tier.move(version("unknown", 7), now)
	d.remount(t)
	if n := d.read(t, now); n != 0 {
		t.Errorf("%d requests for a copy of what is there", n)
	}
	checkStock(t, d.f)
}

func TestTierDirectoryIsOursAlone(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	dir := t.TempDir()
	first, err := openTier(dir, "source", gib, log)
	noError(t, err)
	first.startFill(NewBlocks(BlocksOptions{}))
	defer first.Close()
	if second, err := openTier(dir, "source", gib, log); second != nil || err != nil {
		t.Errorf("a second mount of the source: got %v, %v, want none", second, err)
	}
	other, err := openTier(dir, "another", gib, log)
	noError(t, err)
	other.closeDir()

	format := filepath.Join(dir, "blocks/another/format")
	noError(t, os.WriteFile(format, []byte("ncloudfs blocks 2\n"), 0o600))
	if _, err := openTier(dir, "another", gib, log); err == nil || !strings.Contains(err.Error(), "--cache-dir") {
		t.Errorf("a newer format: got %v, want a refusal", err)
	}
	if got, err := os.ReadFile(format); err != nil || string(got) != "ncloudfs blocks 2\n" {
		t.Errorf("its format is now %q, %v", got, err)
	}
	noError(t, os.Chmod(filepath.Join(dir, "blocks"), 0o777))
	if _, err := openTier(dir, "third", gib, log); err == nil || !strings.Contains(err.Error(), "chmod 0700") {
		t.Errorf("others can write to it: got %v, want a refusal", err)
	}
	file := filepath.Join(dir, "file")
	noError(t, os.WriteFile(file, nil, 0o600))
	if _, err := openTier(file, "source", gib, log); !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("a file: got %v, want ENOTDIR", err)
	}
}

func TestRecordIsReadAsWritten(t *testing.T) {
	v := version("a\x00key\xff", 1<<40)
	v.ETag = "e1"
	sums := map[int64]uint32{0: 1, 5: 1 << 31, v.Size/blockSize - 1: 7}
	b, err := encodeRecord(v, sums, true)
	noError(t, err)
	gotV, gotSums, sealed, err := decodeRecord(b)
	if err != nil || gotV != v || !sealed || len(gotSums) != 3 || gotSums[5] != 1<<31 {
		t.Errorf("got %v, %v, %v, %v", gotV, gotSums, sealed, err)
	}
	for cut := range b {
		if _, _, _, err := decodeRecord(b[:cut]); err == nil {
			t.Fatalf("the first %d of %d bytes are a record", cut, len(b))
		}
	}
	if _, _, _, err := decodeRecord(append(bytes.Clone(b), 0)); err == nil {
		t.Error("a longer one is a record")
	}
}
