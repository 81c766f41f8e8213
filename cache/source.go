package cache

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

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

// Sources returns what the stage directory dir holds journals of. Those that
// cannot be read are in the error.
func Sources(dir string) ([]Source, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*", journalName))
	if err != nil {
		return nil, err
	}
	var all []Source
	var errs []error
	for _, path := range paths {
		s, err := sourceOf(path)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b Source) int {
		return cmp.Or(cmp.Compare(a.Bucket, b.Bucket), cmp.Compare(a.Prefix, b.Prefix), cmp.Compare(a.Endpoint, b.Endpoint))
	})
	return all, errors.Join(errs...)
}

func sourceOf(path string) (Source, error) {
	f, err := os.Open(path)
	if err != nil {
		return Source{}, fmt.Errorf("journal: %w", err)
	}
	defer f.Close()
	frames, _, _, err := readFrames(f)
	if err != nil {
		return Source{}, fmt.Errorf("journal %s: %w", path, err)
	}
	h, err := readHeader(frames, path)
	return h.Source, err
}
