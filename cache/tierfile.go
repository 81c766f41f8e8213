package cache

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// tierFile is one version on the disk: a sparse file of the version's size,
// and which of its blocks are there.
type tierFile struct {
	// Guarded by Tier.mu.
	id     string
	charge int64 // bytes of the limit it takes
	users  int   // while there are none, it may be evicted
	gone   bool  // has no name any more; it counts until its last user
	backs  bool  // a Backing has it

	mu      sync.Mutex // before Tier.mu; guards what follows
	version Version    // changed under both locks
	data    *os.File   // nil: not loaded; changed only by the first user, or without any
	sums    map[int64]uint32
	sealed  bool // complete, safe on the disk, and recorded as such: never written to again
	fresh   bool // made by this mount and open since: what was written is what is there
	behind  bool // the record does not say all
	stores  int  // changes of sums
}

// tierID names a version, for its files: keys are not file names.
func tierID(v Version) string {
	sum := sha256.Sum256([]byte(v.Path.Bucket + "\x00" + v.Path.Key + "\x00" + string(v.ETag) + "\x00" + strconv.FormatInt(v.Size, 10)))
	return hex.EncodeToString(sum[:16])
}

func dataPath(id string) string   { return "data/" + id }
func recordPath(id string) string { return "record/" + id }

// blockCount returns how many blocks a version has.
func blockCount(v Version) int { return int((v.Size + blockSize - 1) / blockSize) }

// load reads the record of a file that an earlier mount, or an earlier use, has
// left.
func (f *tierFile) load(root *os.Root, id string, v Version) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.data == nil {
		if err := f.loadLocked(root, id); err != nil {
			return err
		}
	}
	if f.version != v {
		return fmt.Errorf("%w: of another version", errRecord)
	}
	return nil
}

func (f *tierFile) loadLocked(root *os.Root, id string) error {
	b, err := root.ReadFile(recordPath(id))
	if err != nil {
		return err
	}
	v, sums, sealed, err := decodeRecord(b)
	if err != nil {
		return err
	}
	data, err := root.OpenFile(dataPath(id), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	info, err := data.Stat()
	if err == nil && (!info.Mode().IsRegular() || info.Size() != v.Size) {
		err = fmt.Errorf("%w: data of %d bytes", errRecord, info.Size())
	}
	if err != nil {
		return errors.Join(err, data.Close())
	}
	now := time.Now()
	_ = root.Chtimes(recordPath(id), now, now) // only decides who is evicted first
	f.version, f.data, f.sums, f.sealed, f.fresh = v, data, sums, sealed, false
	return nil
}

// shut is the counterpart of load, for a file without users.
func (f *tierFile) shut() {
	if f.data != nil {
		f.data.Close()
	}
	f.data, f.sums = nil, nil
}

// has returns the CRC32C of a block that is there.
func (f *tierFile) has(index int64) (sum uint32, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	sum, ok = f.sums[index]
	return sum, ok
}

// read fills data, which is as long as block index. errRecord: the block is
// not what was stored; fs.ErrNotExist: it was not stored.
func (f *tierFile) read(index int64, data []byte) error {
	want, ok := f.has(index)
	if !ok {
		return os.ErrNotExist
	}
	if _, err := f.data.ReadAt(data, index*blockSize); err != nil {
		return err
	}
	if sum := crc32.Checksum(data, castagnoli()); sum != want {
		return fmt.Errorf("%w: block %d has CRC32C %08x, not %08x", errRecord, index, sum, want)
	}
	return nil
}

// lacks reports whether block index can be stored.
func (f *tierFile) lacks(index int64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, ok := f.sums[index]
	return !ok && !f.sealed
}

// note takes a block up that was written.
func (f *tierFile) note(index int64, sum uint32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sums[index] = sum
	f.stores++
}

// forget drops a block that is bad; false where a Backing has the file.
func (f *tierFile) forget(t *Tier, index int64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if f.backs {
		return false
	}
	delete(f.sums, index)
	f.stores++
	f.sealed, f.fresh = false, false
	return true
}

func (f *tierFile) isEmpty() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.sums) == 0
}

// isComplete reports whether every block is there; isSealed, whether it may be
// read without us.
func (f *tierFile) isComplete() (isComplete, isSealed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.sums) == blockCount(f.version), f.sealed
}

// secure makes the data of a complete file safe on the disk, after it has
// verified what an earlier mount wrote, and seals it. A block that is bad is
// returned; it has to go. False: there is something to do first.
func (f *tierFile) secure() (ok bool, bad int64, err error) {
	const none = -1
	f.mu.Lock()
	fresh, stores, v := f.fresh, f.stores, f.version
	f.mu.Unlock()
	if !fresh {
		buf := make([]byte, blockSize)
		for index := range int64(blockCount(v)) {
			if f.read(index, buf[:min(blockSize, v.Size-index*blockSize)]) != nil {
				return false, index, nil
			}
		}
	}
	if err := unix.Fdatasync(int(f.data.Fd())); err != nil {
		return false, none, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sealed = f.stores == stores
	return f.sealed, none, nil
}

// encode returns the record of what is there, and the ID that it is for.
func (f *tierFile) encode() (id string, b []byte, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.behind = false
	b, err = encodeRecord(f.version, f.sums, f.sealed)
	return tierID(f.version), b, err
}
