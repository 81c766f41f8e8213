package emulator

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// disk keeps a store in a directory; the layout is in the package comment. A
// nil disk keeps nothing. Its methods that save and drop are called under the
// store's lock.
type disk struct {
	dir  string
	lock *os.File
}

func openDisk(dir string) (*disk, error) {
	for _, sub := range []string{"buckets", "data"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, err
		}
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%s is in use by another server: %w", dir, err), lock.Close())
	}
	d := &disk{dir: dir, lock: lock}
	if err := d.emptyTemp(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return d, nil
}

func (d *disk) close() error { return d.lock.Close() }

// emptyTemp removes what an unclean stop left behind.
func (d *disk) emptyTemp() error {
	if err := os.RemoveAll(d.path("tmp")); err != nil {
		return err
	}
	return os.Mkdir(d.path("tmp"), 0o700)
}

func (d *disk) path(elem ...string) string {
	return filepath.Join(append([]string{d.dir}, elem...)...)
}

func (d *disk) temp() string { return d.path("tmp", rand.Text()) }

func (d *disk) bucketPath(bucket string) string { return d.path("buckets", bucket) }

// objectPath hashes the key: keys are longer than file names may be, and
// have bytes that names may not.
func (d *disk) objectPath(bucket, key string) string {
	sum := sha256.Sum256([]byte(key))
	name := hex.EncodeToString(sum[:])
	return d.path("buckets", bucket, "objects", name[:2], name+".json")
}

func (d *disk) uploadPath(bucket, id string) string {
	return d.path("buckets", bucket, "uploads", id)
}

// publish writes v as JSON and renames it into place.
func (d *disk) publish(path string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	temp := d.temp()
	if err := os.WriteFile(temp, b, 0o600); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	err = os.Rename(temp, path)
	if errors.Is(err, os.ErrNotExist) {
		if err = os.MkdirAll(filepath.Dir(path), 0o700); err == nil {
			err = os.Rename(temp, path)
		}
	}
	return err
}

// dropTree makes a directory vanish at once and then removes it.
func (d *disk) dropTree(path string) error {
	temp := d.temp()
	if err := os.Rename(path, temp); err != nil {
		return err
	}
	return os.RemoveAll(temp)
}

func (d *disk) saveBucket(info *bucketInfo) error {
	if d == nil {
		return nil
	}
	return d.publish(filepath.Join(d.bucketPath(info.Name), "bucket.json"), info)
}

func (d *disk) dropBucket(name string) error {
	if d == nil {
		return nil
	}
	return d.dropTree(d.bucketPath(name))
}

func (d *disk) saveObject(bucket string, o *object) error {
	if d == nil {
		return nil
	}
	return d.publish(d.objectPath(bucket, o.key), toObjectFile(o))
}

func (d *disk) dropObject(bucket, key string) error {
	if d == nil {
		return nil
	}
	return os.Remove(d.objectPath(bucket, key))
}

func (d *disk) saveUpload(bucket string, u *upload) error {
	if d == nil {
		return nil
	}
	return d.publish(filepath.Join(d.uploadPath(bucket, u.id), "upload.json"), toUploadFile(u))
}

func (d *disk) savePart(bucket, id string, p *part) error {
	if d == nil {
		return nil
	}
	name := "part-" + strconv.Itoa(p.number) + ".json"
	return d.publish(filepath.Join(d.uploadPath(bucket, id), name), toPartFile(p))
}

func (d *disk) dropUpload(bucket, id string) error {
	if d == nil {
		return nil
	}
	return d.dropTree(d.uploadPath(bucket, id))
}

func (d *disk) dataPath(id string) string { return d.path("data", id[:2], id) }

// create starts a data file. It is referred to by nothing, and so removed at
// the next start, until an object or part is published that names it.
func (d *disk) create(int64) (sink, error) {
	s := &fileSink{disk: d, temp: d.temp(), id: rand.Text()}
	f, err := os.OpenFile(s.temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	s.File = f
	return s, nil
}

type fileSink struct {
	*os.File
	disk *disk
	temp string
	id   string
}

func (s *fileSink) finish() (string, span, error) {
	if err := s.Close(); err != nil {
		return "", nil, err
	}
	path := s.disk.dataPath(s.id)
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return "", nil, err
	}
	if err := os.Rename(s.temp, path); err != nil {
		return "", nil, err
	}
	return s.id, fileSpan(path), nil
}

func (s *fileSink) abandon() {
	_ = s.Close() // finish may have closed it
	_ = os.Remove(s.temp)
}
