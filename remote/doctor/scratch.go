package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"time"

	"ncloudfs/remote"
)

const (
	// scratchPrefix begins the keys that the doctor writes.
	scratchPrefix = ".ncloudfs-doctor-"
	// scratchAge is how old what a killed doctor has left must be to be removed:
	// no run takes that long.
	scratchAge = 10 * time.Minute
	// cleanTime bounds the cleaning up.
	cleanTime = 30 * time.Second
)

// scratch is what the doctor has written, and must not leave.
type scratch struct {
	client *remote.Client
	prefix remote.Path // ends in "/"

	mu      sync.Mutex // leaf; guards the fields below
	keys    map[string]bool
	uploads []*remote.Upload
	begun   bool // uploads, of which one may be there whose answer was lost
}

// path is a key below the prefix, which will be removed.
func (s *scratch) path(name string) remote.Path {
	p := remote.Path{Bucket: s.prefix.Bucket, Key: s.prefix.Key + name}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys == nil {
		s.keys = map[string]bool{}
	}
	s.keys[p.Key] = true
	return p
}

// put stores an object.
func (s *scratch) put(ctx context.Context, name, content string, o remote.PutOptions) (remote.Object, error) {
	return s.client.Put(ctx, s.path(name), strings.NewReader(content), int64(len(content)), o)
}

// upload begins an upload in parts, which will be aborted unless it is complete.
func (s *scratch) upload(ctx context.Context, name string) (*remote.Upload, error) {
	p := s.path(name)
	s.mu.Lock()
	s.begun = true
	s.mu.Unlock()
	u, err := s.client.Begin(ctx, p, remote.PutOptions{})
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.uploads = append(s.uploads, u)
	}
	return u, err
}

// forget takes note that a key is not there.
func (s *scratch) forget(p remote.Path) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.keys, p.Key)
}

// clean removes what was written, also after Ctrl-C and when the answer to a
// request was lost. Keys one by one: multi-delete cannot name all of them.
func (s *scratch) clean(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTime)
	defer cancel()
	s.mu.Lock()
	keys, uploads, begun := s.keys, s.uploads, s.begun
	s.keys, s.uploads, s.begun = nil, nil, false
	s.mu.Unlock()
	var failed []error
	for _, u := range uploads {
		if err := u.Abort(ctx); err != nil && remote.CodeOf(err) != remote.NoSuchKey {
			failed = append(failed, err)
		}
	}
	if begun {
		failed = append(failed, s.abortUnder(ctx, s.prefix.Key, time.Now().Add(scratchAge)))
	}
	for key := range keys {
		if err := s.client.Delete(ctx, remote.Path{Bucket: s.prefix.Bucket, Key: key}); err != nil && !neverThere(err) {
			failed = append(failed, fmt.Errorf("%w: remove it yourself", err))
		}
	}
	return errors.Join(failed...)
}

// abortUnder aborts the unfinished uploads of keys that begin with prefix, as far as
// they began before then. Keys that may not list them cannot know of any.
func (s *scratch) abortUnder(ctx context.Context, prefix string, then time.Time) error {
	for u, err := range s.client.Uploads(ctx, s.prefix.Bucket, prefix) {
		if errors.Is(err, fs.ErrPermission) {
			return nil
		}
		if err == nil && u.Initiated.Before(then) {
			err = s.client.Resume(u.Path, u.ID, remote.PutOptions{}).Abort(ctx)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// neverThere reports a refusal of what no object can be called.
func neverThere(err error) bool {
	return remote.CodeOf(err) == remote.InvalidURI || remote.CodeOf(err) == remote.KeyTooLong || remote.CodeOf(err) == remote.InvalidArgument
}

// sweep removes what a doctor that was killed has left below the same prefix.
func (e *examination) sweep(ctx context.Context) {
	var old []string
	for page, err := range e.client.List(ctx, remote.ListOptions{Bucket: e.Bucket, Prefix: e.Prefix + scratchPrefix}) {
		if err != nil {
			return // what is there stays for the next one
		}
		for _, o := range page.Objects {
			if time.Since(o.ModTime) > scratchAge {
				old = append(old, o.Path.Key)
			}
		}
	}
	if len(old) > 0 {
		_, _ = e.client.DeleteMany(ctx, e.Bucket, old) // the next one tries again
	}
	_ = e.abortUnder(ctx, e.Prefix+scratchPrefix, time.Now().Add(-scratchAge)) // the same
}

// large is a body of size bytes that are not all the same.
func large(size int) []byte {
	return bytes.Repeat(content(), size/len(content())+1)[:size]
}
