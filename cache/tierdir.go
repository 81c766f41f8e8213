package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// tierFormat is the whole of the file "format": what wrote the directory.
const tierFormat = "ncloudfs blocks 1\n"

// errCacheHeld: another mount of the same source uses the cache directory.
var errCacheHeld = errors.New("another mount uses it")

// openDir makes, checks and locks the directory of one source below dir, and
// takes stock of what is in it.
func (t *Tier) openDir(dir, source string) error {
	parent, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer parent.Close()
	for _, sub := range []string{"/data", "/record"} {
		if err := parent.MkdirAll(source+sub, 0o700); err != nil {
			return err
		}
	}
	if t.root, err = parent.OpenRoot(source); err != nil {
		return err
	}
	if t.lock, err = t.root.OpenFile("lock", os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return err
	}
	if unix.Flock(int(t.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		return errCacheHeld
	}
	if err := t.checkFormat(); err != nil {
		return err
	}
	return t.takeStock()
}

// checkFormat refuses what another version of this program keeps.
func (t *Tier) checkFormat() error {
	b, err := t.root.ReadFile("format")
	if errors.Is(err, fs.ErrNotExist) {
		if err := t.root.WriteFile("format.new", []byte(tierFormat), 0o600); err != nil {
			return err
		}
		return t.root.Rename("format.new", "format")
	}
	if err == nil && string(b) != tierFormat {
		err = fmt.Errorf("%s is of another version of ncloudfs (%.40q): remove it, or choose another --cache-dir", t.root.Name(), b)
	}
	return err
}

// takeStock indexes the files of earlier mounts, oldest use first, and removes
// what no record describes.
func (t *Tier) takeStock() error {
	records, err := fs.ReadDir(t.root.FS(), "record")
	if err != nil {
		return err
	}
	data, err := fs.ReadDir(t.root.FS(), "data")
	if err != nil {
		return err
	}
	charges := make(map[string]int64, len(data))
	for _, d := range data {
		info, err := d.Info()
		if err != nil {
			return err
		}
		charges[d.Name()] = allocated(info)
	}
	type found struct {
		id   string
		used time.Time
	}
	var all []found
	for _, r := range records {
		info, err := r.Info()
		if err != nil {
			return err
		}
		if _, ok := charges[r.Name()]; !ok {
			_ = t.root.Remove(recordPath(r.Name())) // harmless
			continue
		}
		all = append(all, found{r.Name(), info.ModTime()})
	}
	slices.SortFunc(all, func(a, b found) int { return a.used.Compare(b.used) })
	for _, r := range all {
		t.addLocked(&tierFile{id: r.id, charge: charges[r.id] + tierOverhead})
		delete(charges, r.id)
	}
	for id := range charges {
		_ = t.root.Remove(dataPath(id)) // harmless, but for the space
	}
	for (t.used > t.limit || len(t.files) > maxTierFiles) && t.evictOldest(nil) {
	}
	return nil
}

// allocated returns the bytes that a file takes on the disk.
func allocated(info fs.FileInfo) int64 {
	if st, ok := info.Sys().(*unix.Stat_t); ok {
		return st.Blocks * 512
	}
	return info.Size()
}

// unusableCache says what to do about a cache directory that cannot be used.
func unusableCache(dir string, err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ENOSPC) {
		err = fmt.Errorf("%w: choose another --cache-dir", err)
	}
	return fmt.Errorf("cache directory %s: %w", dir, err)
}

// openTier opens the disk tier in dir, or returns nil where there is to be none:
// a cache that another mount of the source has is done without.
func openTier(dir, source string, limit int64, log *slog.Logger) (*Tier, error) {
	if dir == "" {
		return nil, nil
	}
	dir = filepath.Join(dir, "blocks")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, unusableCache(dir, err)
	}
	if err := checkOwner("cache", dir); err != nil {
		return nil, err
	}
	t := newTier(limit, log)
	err := t.openDir(dir, source)
	if err == nil {
		return t, nil
	}
	t.closeDir()
	if errors.Is(err, errCacheHeld) {
		log.Warn("nothing is cached on disk", "dir", dir, "err", err)
		return nil, nil
	}
	return nil, unusableCache(dir, err)
}

func (t *Tier) closeDir() {
	if t.root != nil {
		t.root.Close()
	}
	if t.lock != nil {
		t.lock.Close()
	}
}
