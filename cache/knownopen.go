package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

const (
	// knownFile is the name of the file in the directory of a source.
	knownFile = "attributes"

	// knownFormatMark is what wrote the file.
	knownFormatMark = "ncloudfs attributes 1"
)

var (
	errKnownBroken  = errors.New("damaged database")
	errKnownUnclean = errors.New("in use when the machine lost its power")
	errKnownForeign = errors.New("written by another version of ncloudfs, which may need it: remove it to have attributes remembered again")
)

// openKnown opens what earlier mounts of this source have learned, with
// --cache-dir in
//
//	CACHE-DIR/attributes/SOURCE-HASH/attributes
//
// and else beside the journal, in STAGE-DIR/SOURCE-HASH/attributes. What stands in
// the way is logged, and nothing is kept then.
func (c *Cache) openKnown(cacheDir string) *knownDisk {
	if c.idle || cacheDir == "" && c.stage == nil {
		return nil
	}
	root, err := c.knownRoot(cacheDir)
	if err != nil {
		c.log.Warn("attributes are not remembered on disk", "err", err)
		return nil
	}
	return openKnownDisk(root, c.boot, c.log)
}

func (c *Cache) knownRoot(cacheDir string) (*os.Root, error) {
	if cacheDir == "" {
		return c.stage.root.OpenRoot(".")
	}
	dir := filepath.Join(cacheDir, "attributes")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := checkOwner("cache", dir); err != nil {
		return nil, err
	}
	parent, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer parent.Close()
	if err := parent.MkdirAll(c.source().id(), 0o700); err != nil {
		return nil, err
	}
	return parent.OpenRoot(c.source().id())
}

// openKnownDisk opens the file in root, which it owns then, and makes it anew
// where it is damaged.
func openKnownDisk(root *os.Root, boot string, log *slog.Logger) *knownDisk {
	d := &knownDisk{root: root, name: knownFile, boot: boot, log: log, wake: make(chan struct{}, 1), done: make(chan struct{}),
		most: aGeneration(), waiting: changes{objects: map[string]*knownObject{}}}
	d.free = d.askFree
	err := d.open()
	if isDamage(err) {
		level := slog.LevelWarn
		if errors.Is(err, errKnownUnclean) {
			level = slog.LevelInfo // as is to be expected
		}
		log.Log(context.Background(), level, "remembered attributes are begun anew", "file", d.path(), "err", err)
		if err = root.Remove(d.name); err == nil || errors.Is(err, fs.ErrNotExist) {
			err = d.open()
		}
	}
	if err != nil {
		log.Warn("attributes are not remembered on disk", "file", d.path(), "err", err)
		root.Close()
		return nil
	}
	go d.run()
	return d
}

func isDamage(err error) bool {
	for _, damage := range []error{errKnownBroken, errKnownUnclean, bolterrors.ErrInvalid, bolterrors.ErrChecksum} {
		if errors.Is(err, damage) {
			return true
		}
	}
	return false
}

func (d *knownDisk) open() error {
	err := protect(func() (err error) {
		d.db, err = bbolt.Open(d.name, 0o600, &bbolt.Options{
			Timeout:         time.Millisecond, // try once: another mount of the source may have it
			NoGrowSync:      true,
			FreelistType:    bbolt.FreelistMapType,
			InitialMmapSize: knownMaxFile, // it is never mapped anew, which would wait for readers
			MaxSize:         knownMaxFile,
			NoStatistics:    true,
			NoSync:          true, // but for mark
			OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
				f, err := d.root.OpenFile(name, flag, mode)
				d.file = f
				return f, err
			},
		})
		return err
	})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return errors.New("another mount uses it")
	}
	if err != nil {
		return err
	}
	if err = protect(d.check); err != nil {
		return errors.Join(err, protect(d.db.Close))
	}
	return nil
}

// check refuses what is not ours or cannot be whole, and makes the buckets of a new
// file.
func (d *knownDisk) check() error {
	info, err := d.file.Stat()
	if err != nil {
		return err
	}
	isNew := false
	err = d.db.View(func(tx *bbolt.Tx) error {
		about := tx.Bucket([]byte(knownAbout))
		switch {
		case tx.Size() > info.Size():
			return fmt.Errorf("%w: cut off after %d bytes", errKnownBroken, info.Size())
		case about == nil:
			name, _ := tx.Cursor().First()
			if isNew = name == nil; !isNew {
				return errKnownForeign
			}
			return nil
		case string(about.Get([]byte(knownFormat))) != knownFormatMark:
			return errKnownForeign
		case about.Get([]byte(knownOpen)) != nil && string(about.Get([]byte(knownOpen))) != d.boot:
			return errKnownUnclean
		}
		for _, g := range generations(tx) {
			if g == nil {
				return fmt.Errorf("%w: a generation is missing", errKnownBroken)
			}
		}
		return nil
	})
	if err == nil && isNew {
		err = d.db.Update(begin)
	}
	return err
}

func begin(tx *bbolt.Tx) error {
	for _, name := range []string{knownAbout, generationA, generationB} {
		if _, err := tx.CreateBucket([]byte(name)); err != nil {
			return err
		}
	}
	return tx.Bucket([]byte(knownAbout)).Put([]byte(knownFormat), []byte(knownFormatMark))
}

// mark notes, safe from a loss of power, in which boot the file is in use; "": in
// none.
func (d *knownDisk) mark(boot string) error {
	d.db.NoSync = false
	defer func() { d.db.NoSync = true }()
	if err := d.db.Sync(); err != nil {
		return err
	}
	return d.db.Update(func(tx *bbolt.Tx) error {
		about := tx.Bucket([]byte(knownAbout))
		if boot == "" {
			return about.Delete([]byte(knownOpen))
		}
		return about.Put([]byte(knownOpen), []byte(boot))
	})
}
