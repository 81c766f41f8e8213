package cache

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"sync"
)

// journalVersion is what this program writes and understands. Another is
// refused, never overwritten.
const journalVersion = 1

// Source is what is mounted. What a journal says of another source is never
// uploaded here.
type Source struct {
	Endpoint string `json:"endpoint"`
	Region   string `json:"region"`
	Bucket   string `json:"bucket"`
	Prefix   string `json:"prefix"`
}

// id names the source, for its directory.
func (s Source) id() string {
	sum := sha256.Sum256([]byte(s.Endpoint + "\x00" + s.Region + "\x00" + s.Bucket + "\x00" + s.Prefix))
	return hex.EncodeToString(sum[:8])
}

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

	mu    sync.Mutex
	log   *frameLog         // guarded by mu, like all below
	live  map[string]Record // by ID, without those that are done
	done  map[string]Record // those whose data file may still be there
	seq   uint64            // of the last record
	stale int64             // bytes of records that others have replaced

	syncing sync.Mutex // held during an fsync; those who wait share the next
	synced  uint64     // records up to it are on disk; guarded by syncing
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
	err = j.replay(frames, f.Name())
	if err == nil {
		err = log.wipe() // not before it is known to be ours
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	j.log = log
	return j, problems, nil
}

// replay takes in the frames of a log.
func (j *Journal) replay(frames [][]byte, path string) error {
	var h header
	if len(frames) == 0 || json.Unmarshal(frames[0], &h) != nil || h.Version == 0 {
		return fmt.Errorf("journal %s has no header: it is damaged or not a journal of ncloudfs; move it away to go on without it", path)
	}
	if h.Version != journalVersion {
		return fmt.Errorf("journal %s has version %d, and this program knows %d: use the version of ncloudfs that wrote it", path, h.Version, journalVersion)
	}
	if h.Source != j.source {
		return fmt.Errorf("journal %s belongs to bucket %s at %s: use another --stage-dir", path, h.Source.Bucket, h.Source.Endpoint)
	}
	for _, frame := range frames[1:] {
		var r Record
		if err := json.Unmarshal(frame, &r); err != nil {
			return fmt.Errorf("journal %s: a record that checks cannot be read: %w", path, err)
		}
		j.seq = max(j.seq, r.Seq)
		j.takeLocked(r, int64(len(frame)))
	}
	return nil
}

// takeLocked makes r the last word on its file.
func (j *Journal) takeLocked(r Record, size int64) {
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

// Done returns the IDs of the files that are done and not forgotten.
func (j *Journal) Done() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Sorted(maps.Keys(j.done))
}

// Append writes r, which is then in the file but not yet safe from a power
// loss, and returns its sequence number for Sync.
func (j *Journal) Append(r Record) (uint64, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	r.Seq = j.seq + 1
	frame, err := json.Marshal(r)
	if err != nil {
		return 0, fmt.Errorf("journal: %w", err)
	}
	if err := j.log.append(frame); err != nil {
		return 0, fmt.Errorf("journal: %w", err)
	}
	j.seq++
	j.takeLocked(r, int64(len(frame)))
	if j.stale > compactAbove && j.stale > j.log.end/2 {
		return j.seq, j.compact()
	}
	return j.seq, nil
}

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
	if err := j.writeAll(log); err != nil {
		f.Close()
		return fmt.Errorf("journal: %w", err)
	}
	if err := errors.Join(log.sync(), j.dir.Rename(next, journalName), syncDir(j.dir)); err != nil {
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
			if frame, err = json.Marshal(r); err == nil {
				err = log.append(frame)
				r.size = int64(len(frame))
				records[id] = r
			}
		}
	}
	return err
}

// syncDir makes a rename in dir safe.
func syncDir(dir *os.Root) error {
	d, err := dir.Open(".")
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
	if j.synced >= seq {
		return nil
	}
	j.mu.Lock()
	log, upTo := j.log, j.seq
	j.mu.Unlock()
	err := log.sync()
	j.mu.Lock()
	replaced := j.log != log // by one that was synced before it took the place
	j.mu.Unlock()
	if err != nil && !replaced {
		return fmt.Errorf("journal: %w", err)
	}
	j.synced = upTo
	return nil
}
