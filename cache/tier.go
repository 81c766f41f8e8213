package cache

import (
	"log/slog"
	"math"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

const (
	defaultTierSize = 10 << 30

	// tierOverhead is what a version takes of the limit beside its blocks, in
	// bytes: its record and two inodes.
	tierOverhead = 8 << 10

	// maxTierFiles is how many versions are kept: each takes some 300 bytes of
	// memory, and the start of a mount looks at each.
	maxTierFiles = 1 << 15

	// tierIdle is how many files stay open without users.
	tierIdle = 32

	// tierKeepFree is what the tier leaves free on its file system, in bytes: it
	// is full before staged data is refused.
	tierKeepFree = keepFree + freeStep

	// recordDelay is how long a record may lack blocks that are on the disk.
	recordDelay = time.Second
)

// Tier is the disk tier of the block cache: blocks of versions in sparse files,
// for later readers and later mounts, bounded in bytes. On disk:
//
//	CACHE-DIR/blocks/SOURCE-HASH/lock       held while a mount uses the directory
//	CACHE-DIR/blocks/SOURCE-HASH/format     what wrote it
//	CACHE-DIR/blocks/SOURCE-HASH/data/ID    the bytes of one version, sparse
//	CACHE-DIR/blocks/SOURCE-HASH/record/ID  which blocks are there, and their CRC32Cs
//
// A block is read only if it has the CRC of its record. So no record has to be
// true: after a crash one may lack blocks, or tell of some that are lost. Only a
// sealed one is believed: it was written after fdatasync of all the data, which
// nobody writes to any more, so that the kernel may read it without us (Backing).
//
// Blocks are stored behind the reader (fill); what does not fit into the queue
// is not stored. The version used longest ago is evicted first. All that is free
// on the file system but tierKeepFree may be used, and staged data takes it
// back (giveWay).
//
// A nil Tier keeps nothing. Safe for concurrent use.
type Tier struct {
	root  *os.Root
	lock  *os.File
	limit int64
	log   *slog.Logger
	spare func() (int64, error) // what the file system has free, in bytes

	fill    filler
	closing sync.Once

	recording sync.Mutex // held while a record is written; before tierFile.mu

	mu     sync.Mutex                          // leaf; guards what follows
	files  map[string]*tierFile                // by ID
	order  *simplelru.LRU[*tierFile, struct{}] // of files
	idle   *simplelru.LRU[*tierFile, struct{}] // loaded ones without users
	used   int64                               // bytes of all files, those that are gone but used included
	free   int64                               // what the file system had to spare when it was last asked, less what was used since
	behind map[*tierFile]struct{}              // whose records are to be written; a user each
	doomed uint64                              // number of the last file that lost its name
	timer  *time.Timer                         // of flush; nil: none is due
}

func newTier(limit int64, log *slog.Logger) *Tier {
	t := &Tier{limit: limit, log: log, files: map[string]*tierFile{}, behind: map[*tierFile]struct{}{}}
	t.spare = t.askFree
	t.order, _ = simplelru.NewLRU[*tierFile, struct{}](math.MaxInt, nil) // fails only for a size below 1
	t.idle, _ = simplelru.NewLRU(tierIdle, func(f *tierFile, _ struct{}) {
		if f.users == 0 {
			f.shut()
		}
	})
	return t
}

func (t *Tier) addLocked(f *tierFile) {
	t.files[f.id] = f
	t.order.Add(f, struct{}{})
	t.used += f.charge
}

// open returns what is there of v, with one more user; nil: nothing.
func (t *Tier) open(v Version) *tierFile {
	if t == nil {
		return nil
	}
	id := tierID(v)
	t.mu.Lock()
	f := t.files[id]
	if f != nil {
		t.useLocked(f)
		t.order.Get(f)
	}
	t.mu.Unlock()
	if f == nil {
		return nil
	}
	if err := f.load(t.root, id, v); err != nil {
		t.log.Warn("a version in the cache is dropped", "path", v.Path, "err", err)
		t.drop(f)
		t.close(f)
		return nil
	}
	return f
}

func (t *Tier) useLocked(f *tierFile) {
	f.users++
	t.idle.Remove(f)
}

// close takes back one user.
func (t *Tier) close(f *tierFile) {
	t.mu.Lock()
	f.users--
	isOver := f.users == 0 && f.gone
	switch {
	case isOver:
		t.used -= f.charge
	case f.users == 0:
		t.idle.Add(f, struct{}{})
	}
	t.mu.Unlock()
	if isOver {
		f.shut() // frees the space, which takes long
	}
}

// create makes the file of v, which is not there, with one user; nil where it
// is not to be kept: one version may take half of the limit.
func (t *Tier) create(v Version) *tierFile {
	if v.Size > t.limit/2 {
		return nil
	}
	for t.isFull() {
		if !t.evictOldest(nil) {
			return nil
		}
	}
	id := tierID(v)
	path := dataPath(id + ".new")
	data, err := t.root.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err == nil {
		err = data.Truncate(v.Size)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil && t.files[id] == nil {
		err = t.root.Rename(path, dataPath(id))
	} else if err == nil {
		err = os.ErrExist // our own copy of an object has moved here
	}
	if err != nil {
		t.log.Debug("a version is not cached", "path", v.Path, "err", err)
		if data != nil {
			data.Close()
		}
		_ = t.root.Remove(path) // the next mount removes it
		return nil
	}
	f := &tierFile{id: id, charge: tierOverhead, users: 1, version: v, data: data, sums: map[int64]uint32{}, fresh: true}
	t.addLocked(f)
	return f
}

// move gives what is there of old to now, a copy of ours of the same bytes.
func (t *Tier) move(old, now Version) {
	f := t.open(old)
	if f == nil {
		return
	}
	defer t.close(f)
	if other := t.open(now); other != nil { // has bytes, too
		t.close(other)
		t.drop(f)
		return
	}
	if t.rename(f, now) {
		t.late(f)
	}
}

func (t *Tier) rename(f *tierFile, now Version) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	id := tierID(now)
	if f.gone || t.files[id] != nil || t.root.Rename(dataPath(f.id), dataPath(id)) != nil {
		return false
	}
	_ = t.root.Remove(recordPath(f.id)) // without data, the next mount removes it
	delete(t.files, f.id)
	f.id, f.version = id, now
	t.files[id] = f
	return true
}

// late has the record of f written soon.
func (t *Tier) late(f *tierFile) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.behind {
		return
	}
	f.behind = true
	t.mu.Lock()
	defer t.mu.Unlock()
	t.behind[f] = struct{}{}
	t.useLocked(f)
	if t.timer == nil {
		t.timer = time.AfterFunc(recordDelay, t.flush)
	}
}

// flush writes the records that are behind.
func (t *Tier) flush() {
	t.mu.Lock()
	behind := t.behind
	t.behind, t.timer = map[*tierFile]struct{}{}, nil
	t.mu.Unlock()
	for f := range behind {
		if err := t.record(f); err != nil {
			t.log.Debug("a version is not recorded in the cache", "err", err)
		}
		t.close(f)
	}
}

// record writes what is there of f.
func (t *Tier) record(f *tierFile) error {
	t.recording.Lock()
	defer t.recording.Unlock()
	id, b, err := f.encode()
	if err != nil {
		return err
	}
	path := recordPath(id)
	if err := t.root.WriteFile(path+".new", b, 0o600); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if f.gone || f.id != id { // after a move it is written once more
		return t.root.Remove(path + ".new")
	}
	return t.root.Rename(path+".new", path)
}
