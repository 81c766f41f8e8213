package emulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// loading is the reading of a directory into a store at its start.
type loading struct {
	disk  *disk
	blobs map[string]*blob // by id, with the references found so far
}

// load fills st, which nobody uses yet, and removes data files that nothing
// refers to: their writers died before they were published.
func (d *disk) load(st *store) error {
	l := &loading{disk: d, blobs: map[string]*blob{}}
	names, err := subdirectories(d.path("buckets"))
	if err != nil {
		return err
	}
	for _, name := range names {
		b, err := l.bucket(name)
		if errors.Is(err, os.ErrNotExist) && b == nil {
			continue // made, but its record never published
		}
		if err != nil {
			return err
		}
		st.buckets[name] = b
	}
	return l.sweep()
}

func (l *loading) bucket(name string) (*bucket, error) {
	var info bucketInfo
	if err := readJSON(filepath.Join(l.disk.bucketPath(name), "bucket.json"), &info); err != nil {
		return nil, err
	}
	b := newBucket(&info)
	if err := l.objects(b); err != nil {
		return b, err
	}
	return b, l.uploads(b)
}

func (l *loading) objects(b *bucket) error {
	files, err := filesBelow(filepath.Join(l.disk.bucketPath(b.info.Name), "objects"))
	if err != nil {
		return err
	}
	for _, file := range files {
		var f objectFile
		if err := readJSON(file, &f); err != nil {
			return err
		}
		c := content{}
		for _, id := range f.Blobs {
			bl, err := l.blob(id)
			if err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			c = append(c, bl)
		}
		o := f.object(c)
		b.objects.Set(o.key, o)
	}
	return nil
}

func (l *loading) uploads(b *bucket) error {
	ids, err := subdirectories(filepath.Join(l.disk.bucketPath(b.info.Name), "uploads"))
	if err != nil {
		return err
	}
	for _, id := range ids {
		dir := l.disk.uploadPath(b.info.Name, id)
		var f uploadFile
		if err := readJSON(filepath.Join(dir, "upload.json"), &f); errors.Is(err, os.ErrNotExist) {
			continue
		} else if err != nil {
			return err
		}
		u := f.upload()
		if err := l.parts(u, dir); err != nil {
			return err
		}
		b.uploads[u.id] = u
	}
	return nil
}

func (l *loading) parts(u *upload, dir string) error {
	files, err := filesBelow(dir)
	if err != nil {
		return err
	}
	for _, file := range files {
		if filepath.Base(file) == "upload.json" {
			continue
		}
		var f partFile
		if err := readJSON(file, &f); err != nil {
			return err
		}
		b, err := l.blob(f.Blob)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		u.parts[f.Number] = &part{number: f.Number, blob: b, tag: f.Tag}
	}
	return nil
}

// blob returns the blob of an id with one more reference.
func (l *loading) blob(id string) (*blob, error) {
	b := l.blobs[id]
	if b == nil {
		if len(id) < 2 {
			return nil, fmt.Errorf("data file %q: malformed name", id)
		}
		path := l.disk.dataPath(id)
		fi, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		b = &blob{id: id, size: fi.Size(), data: fileSpan(path)}
		l.blobs[id] = b
	}
	b.refs.Add(1)
	return b, nil
}

func (l *loading) sweep() error {
	files, err := filesBelow(l.disk.path("data"))
	if err != nil {
		return err
	}
	for _, file := range files {
		if l.blobs[filepath.Base(file)] == nil {
			if err := os.Remove(file); err != nil {
				return err
			}
		}
	}
	return nil
}

func readJSON(path string, v any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// subdirectories returns the names of a directory's directories; one that
// does not exist has none.
func subdirectories(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if e.IsDir() {
			out = append(out, e.Name())
		}
	}
	return out, nil
}

// filesBelow returns the paths of all files in a tree; one that does not
// exist has none.
func filesBelow(dir string) ([]string, error) {
	var out []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			out = append(out, path)
		}
		return err
	})
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return out, err
}
