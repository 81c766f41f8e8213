package test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
)

// forEachServer runs f with an empty bucket of the emulator and, where
// NCLOUDFS_TEST_CEPH names its endpoint, of a Ceph (see scripts/ceph), both in
// parallel with other tests.
func forEachServer(t *testing.T, f func(t *testing.T, s *store)) {
	t.Parallel()
	requireFUSE(t)
	t.Run("emulator", func(t *testing.T) {
		t.Parallel()
		s, _ := startEmulator(t, emulator.Options{})
		f(t, s)
	})
	if !theMode().isPlain() {
		return
	}
	t.Run("ceph", func(t *testing.T) {
		t.Parallel()
		f(t, cephStore(t))
	})
}

// cephStore makes a bucket that is removed at the test's end.
func cephStore(t testing.TB) *store {
	t.Helper()
	endpoint := os.Getenv("NCLOUDFS_TEST_CEPH")
	require(t, "ceph", endpoint != "", "NCLOUDFS_TEST_CEPH is not set")
	s := newStore(t, endpoint, "mount-"+fmt.Sprintf("%x", rand.Uint64()))
	t.Cleanup(func() { s.remove(t) })
	return s
}

// remove empties and removes the bucket.
func (s *store) remove(t testing.TB) {
	t.Helper()
	ctx := contextOf(t)
	if failed, err := s.client.DeleteMany(ctx, s.bucket, s.keys(t, "")); err != nil || len(failed) > 0 {
		t.Errorf("emptying %s: %v, %v", s.bucket, err, failed)
	}
	for u, err := range s.client.Uploads(ctx, s.bucket, "") {
		if err != nil {
			t.Error(err)
			break
		}
		if err := s.client.Resume(u.Path, u.ID, remote.PutOptions{}).Abort(ctx); err != nil {
			t.Error(err)
		}
	}
	if err := s.client.RemoveBucket(ctx, s.bucket); err != nil {
		t.Error(err)
	}
}

// contextOf is for requests of a test, also in its cleanups.
func contextOf(t testing.TB) context.Context { return context.WithoutCancel(t.Context()) }

func (s *store) path(key string) remote.Path { return remote.Path{Bucket: s.bucket, Key: key} }

// keys lists the keys that begin with prefix.
func (s *store) keys(t testing.TB, prefix string) []string {
	t.Helper()
	s.sync(t)
	var keys []string
	for page, err := range s.client.List(contextOf(t), remote.ListOptions{Bucket: s.bucket, Prefix: prefix}) {
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Objects {
			keys = append(keys, o.Path.Key)
		}
	}
	return keys
}

// put stores an object as another client.
func (s *store) put(t testing.TB, key, content string) remote.Object {
	t.Helper()
	return s.putWith(t, key, content, remote.PutOptions{})
}

func (s *store) putWith(t testing.TB, key, content string, o remote.PutOptions) remote.Object {
	t.Helper()
	s.syncAll(t)
	obj, err := s.client.Put(contextOf(t), s.path(key), strings.NewReader(content), int64(len(content)), o)
	if err != nil {
		t.Fatal(err)
	}
	return obj
}

// head describes an object.
func (s *store) head(t testing.TB, key string) remote.Object {
	t.Helper()
	s.syncAll(t)
	o, err := s.client.Head(contextOf(t), s.path(key))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// exists reports whether there is an object of this key.
func (s *store) exists(t testing.TB, key string) bool {
	t.Helper()
	for _, k := range s.keys(t, key) {
		if k == key {
			return true
		}
	}
	return false
}

// random returns bytes that are the same in every run.
func random(size int) string {
	data := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{}).Read(data) // never fails
	return string(data)
}

// settle is how long no request may come until those of an operation are
// counted: the kernel reports the release of a file later than close returns.
const settle = 100 * time.Millisecond

// requests returns how many requests of each operation the emulator got from
// an action and what it left to do.
func requests(t testing.TB, s *store, action func()) map[string]int {
	t.Helper()
	s.quiet()
	s.emulator.ResetCounts()
	action()
	s.quiet()
	return s.emulator.Counts()
}

// quiet waits until no request has come for a while.
func (s *store) quiet() {
	for last := s.emulator.Counts(); ; {
		time.Sleep(settle)
		now := s.emulator.Counts()
		if maps.Equal(now, last) {
			return
		}
		last = now
	}
}
