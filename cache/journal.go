package cache

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// journalVersion is what this program writes. It also reads version 1, whose
// frames hold one record each; any other is refused, never overwritten.
const journalVersion = 2

// header is the first frame of a log.
type header struct {
	Version int    `json:"version"`
	Source  Source `json:"source"`
}

// Journal remembers across crashes what is staged: the last record of a file
// says what is to become of it. It is an append-only log beside the data
// files; a new segment with the live records alone takes its place by rename
// when most of it is out of date. Safe for concurrent use.
type Journal struct {
	dir    *os.Root
	source Source
	spare  func() bool // makes room on a full disk, and reports whether it did; may be nil

	mu    sync.Mutex
	log   *frameLog         // guarded by mu, like all below
	live  map[string]Record // by ID, without those that are done
	done  map[string]Record // those whose data file may still be there
	seq   uint64            // of the last record
	stale int64             // bytes of records that others have replaced
	room  int64             // bytes promised to records to come

	syncing sync.Mutex    // held during an fsync; those who wait share the next
	synced  atomic.Uint64 // records up to it are on disk; changed by the holder of syncing
	ordered atomic.Uint64 // records up to it have to be before the bucket changes
}

// journalName is the log's name within the stage directory.
const journalName = "journal"

// openJournal reads or begins the journal in dir. Damaged frames are skipped
// and returned as problems; what they said is lost, not what stands after them.
func openJournal(dir *os.Root, s Source) (*Journal, []error, error) {
	j := &Journal{dir: dir, source: s, live: map[string]Record{}, done: map[string]Record{}}
	f, err := dir.OpenFile(journalName, os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return j, nil, j.compact()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("journal: %w", err)
	}
	frames, log, problems, err := readFrames(f)
	if err != nil {
		f.Close()
		return nil, nil, fmt.Errorf("journal %s: %w", f.Name(), err)
	}
	version, err := j.replay(frames, f.Name())
	if err == nil && len(problems) > 0 {
		problems = append(problems, j.putAside(f))
	}
	if err == nil {
		err = log.wipe() // not before it is known to be ours
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	j.log = log
	if version != journalVersion {
		err = j.compact()
	}
	return j, problems, err
}

// putAside copies a damaged log, for people to look at, and says where to.
func (j *Journal) putAside(f *os.File) error {
	name := journalName + ".damaged-" + time.Now().UTC().Format("20060102T150405.000")
	to, err := j.dir.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		_, err = io.Copy(to, io.NewSectionReader(f, 0, 1<<40))
		err = errors.Join(err, to.Close())
	}
	if err != nil {
		return fmt.Errorf("the damaged journal could not be copied: %w", err)
	}
	return fmt.Errorf("a copy of the damaged journal is kept: %s/%s", j.dir.Name(), name)
}

// replay takes in the frames of a log and returns its version.
func (j *Journal) replay(frames [][]byte, path string) (version int, err error) {
	h, err := readHeader(frames, path)
	if err != nil {
		return 0, err
	}
	if h.Source != j.source {
		return 0, fmt.Errorf("journal %s belongs to bucket %s at %s: use another --stage-dir", path, h.Source.Bucket, h.Source.Endpoint)
	}
	for _, frame := range frames[1:] {
		if err := j.replayFrame(frame); err != nil {
			return 0, fmt.Errorf("journal %s: a record that checks cannot be read: %w", path, err)
		}
	}
	return h.Version, nil
}

// readHeader returns what a log says of itself, if this program can read it.
func readHeader(frames [][]byte, path string) (header, error) {
	var h header
	if len(frames) == 0 || json.Unmarshal(frames[0], &h) != nil || h.Version == 0 {
		return h, fmt.Errorf("journal %s has no header: it is damaged or not a journal of ncloudfs; move it away to go on without it", path)
	}
	if h.Version != journalVersion && h.Version != 1 {
		return h, fmt.Errorf("journal %s has version %d, and this program knows %d: use the version of ncloudfs that wrote it", path, h.Version, journalVersion)
	}
	return h, nil
}

func (j *Journal) replayFrame(frame []byte) error {
	if frame[0] != '[' { // version 1
		frame = slices.Concat([]byte("["), frame, []byte("]"))
	}
	var group []json.RawMessage
	if err := json.Unmarshal(frame, &group); err != nil {
		return err
	}
	for _, raw := range group {
		var r Record
		if err := json.Unmarshal(raw, &r); err != nil {
			return err
		}
		if r.State == "orphan" { // what version 1 calls it
			r.State = StateRemoved
		}
		j.seq = max(j.seq, r.Seq)
		j.takeLocked(r, int64(len(raw)))
	}
	return nil
}

// takeLocked makes r the last word on its file.
func (j *Journal) takeLocked(r Record, size int64) {
	if r.Amend {
		j.stale += size
		if old, ok := j.live[r.ID]; ok { // else damage has hit what it amends
			size = old.size
			r = old.amend(r)
			r.size = size
			j.live[r.ID] = r
		}
		return
	}
	j.stale += j.live[r.ID].size + j.done[r.ID].size
	r.size = size
	delete(j.live, r.ID)
	delete(j.done, r.ID)
	if r.State == StateDone {
		j.done[r.ID] = r
	} else {
		j.live[r.ID] = r
	}
}

// Forget drops a record that is done, once the data file is gone.
func (j *Journal) Forget(id string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.stale += j.done[id].size
	delete(j.done, id)
}

// Done returns the records of the files that are done and not forgotten.
func (j *Journal) Done() []Record {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Collect(maps.Values(j.done))
}

// Append writes a group of records, which a crash cannot part. They are then
// in the file but not yet safe from a power loss; the number it returns is for
// Sync.
func (j *Journal) Append(group ...Record) (uint64, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	frame := []byte("[")
	sizes := make([]int64, len(group))
	for i := range group {
		group[i].Seq = j.seq + 1 + uint64(i)
		b, err := json.Marshal(group[i])
		if err != nil {
			return 0, fmt.Errorf("journal: %w", err)
		}
		if i > 0 {
			frame = append(frame, ',')
		}
		frame = append(frame, b...)
		sizes[i] = int64(len(b))
	}
	step("journal-append")
	if err := j.log.append(append(frame, ']')); err != nil {
		return 0, fmt.Errorf("journal: %w", err)
	}
	step("journal-appended")
	for i, r := range group {
		j.takeLocked(r, sizes[i])
	}
	j.seq += uint64(len(group))
	if j.stale > compactAbove && j.stale > j.log.end/2 {
		if err := j.compact(); err != nil {
			j.stale = 0 // the present log goes on; try again a while later
		}
	}
	return j.seq, nil
}

// Reserve sets aside room for n bytes of records to come, so that a disk that
// is full by then does not stop them; a negative n gives it back.
func (j *Journal) Reserve(n int64) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	err := j.log.ensure(j.room + n)
	if err != nil && n > 0 && j.spare != nil && j.spare() {
		err = j.log.ensure(j.room + n)
	}
	if err != nil && n > 0 {
		return fmt.Errorf("journal: %w", err)
	}
	j.room += n
	return nil
}

// Find returns the last record of an ID that is not done.
func (j *Journal) Find(id string) (Record, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	r, ok := j.live[id]
	return r, ok
}

// last returns the number of the last record.
func (j *Journal) last() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.seq
}

// safe returns up to which record all are safe on disk.
func (j *Journal) safe() uint64 { return j.synced.Load() }

// Live returns the last record of every file that is not done.
func (j *Journal) Live() []Record {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.SortedFunc(maps.Values(j.live), func(a, b Record) int { return cmp.Compare(a.Seq, b.Seq) })
}

// compact writes the live records to a new log, which takes the place of the
// present one once it is safe on disk. For the holder of mu, or before j is
// shared.
func (j *Journal) compact() error {
	const next = journalName + ".next"
	f, err := j.dir.OpenFile(next, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	log := &frameLog{file: f}
	if err := errors.Join(j.writeAll(log), log.ensure(j.room), log.sync()); err != nil {
		f.Close()
		_ = j.dir.Remove(next) // the next one truncates it
		return fmt.Errorf("journal: %w", err)
	}
	step("journal-compacting")
	if err := j.dir.Rename(next, journalName); err != nil {
		f.Close()
		return fmt.Errorf("journal: %w", err)
	}
	step("journal-compacted")
	if err := syncDir(j.dir, "."); err != nil && j.log == nil {
		f.Close()
		return fmt.Errorf("journal: %w", err)
	}
	if j.log != nil {
		j.log.file.Close()
	}
	j.log, j.stale = log, 0
	return nil
}

func (j *Journal) writeAll(log *frameLog) error {
	frame, err := json.Marshal(header{journalVersion, j.source})
	if err == nil {
		err = log.append(frame)
	}
	for _, records := range []map[string]Record{j.live, j.done} {
		for id, r := range records {
			if err != nil {
				return err
			}
			if frame, err = json.Marshal([]Record{r}); err == nil {
				err = log.append(frame)
				r.size = int64(len(frame))
				records[id] = r
			}
		}
	}
	return err
}

// syncDir makes the names in a directory below root safe.
func syncDir(root *os.Root, dir string) error {
	d, err := root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Close closes the log.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.log.file.Close()
}

// compactAbove is how many bytes of replaced records a log holds before it is
// written anew.
const compactAbove = 1 << 20

// Sync returns once the record with number seq is safe on disk. Those who call
// while an fsync runs share the next one.
func (j *Journal) Sync(seq uint64) error {
	j.syncing.Lock()
	defer j.syncing.Unlock()
	if j.synced.Load() >= seq {
		return nil
	}
	j.mu.Lock()
	log, upTo := j.log, j.seq
	j.mu.Unlock()
	step("journal-sync")
	err := log.sync()
	step("journal-synced")
	j.mu.Lock()
	replaced := j.log != log // by one that was synced before it took the place
	j.mu.Unlock()
	if err != nil && !replaced {
		return fmt.Errorf("journal: %w", err)
	}
	j.synced.Store(upTo)
	return nil
}
